"""What people type and choose, checked before anything is called with it."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.password_validation import validate_password
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import QuerySet
from django.utils.crypto import get_random_string

from grading import rubrics
from grading.models import Course, CourseMilestone, CriterionScore, Enrollment, Person, Rescoring
from grading.pipeline import rules
from milestones.contract import Criterion, Rubric


class SignInForm(AuthenticationForm):
    """User name and password; the sentence says nothing about which of the two was wrong."""

    error_messages = AuthenticationForm.error_messages | {
        "invalid_login": "That user name and password do not belong together. Both are case-sensitive.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "User name"


class ThemeForm(forms.Form):
    """Light, dark, or as the system says."""

    theme = forms.ChoiceField(choices=Person.Theme)

    def save(self, user: Person | AnonymousUser) -> None:
        """Keep the choice with the account, where there is one."""
        if user.is_authenticated:
            Person.objects.filter(pk=user.pk).update(theme=self.cleaned_data["theme"])


class JoinForm(forms.Form):
    """A join code as people type it: spaces, dashes and small letters do not matter."""

    code = forms.CharField(
        label="Join code",
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}),
    )

    def clean_code(self) -> str:
        return "".join(sign for sign in self.cleaned_data["code"].upper() if sign.isalnum())


class UploadForm(forms.Form):
    """One file, and the mark by which a double click is one attempt."""

    file = forms.FileField(
        label="Your package",
        error_messages={"required": "Choose a file first.", "empty": "That file is empty: it has 0 bytes."},
        widget=forms.FileInput(attrs={"accept": ".zip,.tar,.gz,.tgz,.bz2,.xz,.py,.ipynb,.npz"}),
    )
    upload_key = forms.CharField(max_length=64, widget=forms.HiddenInput)
    grace_days = forms.IntegerField(
        min_value=0, required=False, error_messages={"invalid": "Say how many grace days to spend as a whole number."}
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("initial", {"upload_key": get_random_string(32)})
        super().__init__(*args, **kwargs)


class OverrideForm(forms.Form):
    """A person's points for one criterion, with the reason that stays beside them."""

    points = forms.FloatField(min_value=0, widget=forms.NumberInput(attrs={"step": "0.5", "inputmode": "decimal"}))
    reason = forms.CharField(
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="The student reads it. It stays in the history for ever.",
        error_messages={"required": "Give a reason: the student and your colleagues will read it."},
    )

    seen = forms.IntegerField(required=False, widget=forms.HiddenInput, help_text="The latest mark on the page.")

    def __init__(self, *args: Any, criterion: CriterionScore, **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", f"id_criterion_{criterion.pk}_%s")
        super().__init__(*args, **kwargs)
        field = self.fields.get("points")
        if field is None:
            return
        field.max_value = criterion.maximum
        field.label = f"Points of {criterion.maximum:g}"
        field.validators.append(forms.fields.validators.MaxValueValidator(criterion.maximum))
        field.widget.attrs["max"] = f"{criterion.maximum:g}"

    def clean_seen(self) -> int:
        """A form that names no mark has seen none: it can never overwrite one."""
        return self.cleaned_data["seen"] or 0


class UndoForm(OverrideForm):
    """Why the latest mark is taken back; which one that is says ``seen``."""

    points = None


class BenchmarkForm(forms.Form):
    """A person's answer where the interval reaches the mark from below."""

    met = forms.TypedChoiceField(
        label="The benchmark is",
        choices=[("yes", "met"), ("no", "not met")],
        coerce=lambda value: value == "yes",
        widget=forms.RadioSelect,
    )
    reason = forms.CharField(max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))


class ReasonForm(forms.Form):
    """Why somebody does something that changes what others see."""

    reason = forms.CharField(max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))


class RerunForm(ReasonForm):
    """How many submissions are measured again: with which draws, and why. ``expected`` is how many the page promised."""

    draws = forms.TypedChoiceField(choices=[("same", "same"), ("new", "new")], coerce=lambda value: value == "same")
    expected = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    preview_first = forms.BooleanField(required=False)


class RegradeForm(forms.Form):
    """What a student asks to be looked at again."""

    text = forms.CharField(label="What should be looked at again, and why", max_length=4000)


class AnswerForm(OverrideForm):
    """An answer to a regrade request; points are needed only where they change."""

    changed = forms.TypedChoiceField(
        label="The points", choices=[("no", "stay"), ("yes", "change")], coerce=lambda value: value == "yes"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["points"].required = False
        self.fields["reason"].label = "Answer"
        self.fields["reason"].error_messages["required"] = "Write an answer: the student reads it."

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("changed") and self.cleaned_data.get("points") is None and "points" not in self.errors:
            self.add_error("points", "Say how many points it gets now.")
        return self.cleaned_data


class CareForm(forms.Form):
    """Who of the staff takes care of something; empty gives it back to everybody."""

    assignee = forms.ModelChoiceField(Person.objects.none(), required=False)

    def __init__(self, *args: Any, staff: QuerySet[Person], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["assignee"].queryset = staff


class RegradeCareForm(CareForm):
    """The same, and until when an answer is meant to be there; the day ends with its last minute, in the course's timezone."""

    answer_due = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))

    def due(self, zone: zoneinfo.ZoneInfo) -> dt.datetime | None:
        day = self.cleaned_data["answer_due"]
        return None if day is None else dt.datetime.combine(day, dt.time(23, 59), tzinfo=zone)


class ShareOutForm(forms.Form):
    """Among whom what is nobody's yet is shared out."""

    among = forms.ModelMultipleChoiceField(Person.objects.none(), error_messages={"required": "Choose somebody first."})

    def __init__(self, *args: Any, staff: QuerySet[Person], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["among"].queryset = staff


class LineCommentForm(forms.Form):
    """A remark on one line of a file."""

    file = forms.CharField(max_length=400)
    line = forms.IntegerField(min_value=1)
    text = forms.CharField(label="Remark", max_length=2000)


class SavedCommentForm(forms.Form):
    """An entry of the comment bank, for one criterion of one of the course's milestones or for any."""

    text = forms.CharField(label="Comment", max_length=2000)
    criterion = forms.CharField(max_length=100, required=False)


class DeskModeForm(forms.Form):
    """How one assistant works at the desk: without names, with single-key shortcuts."""

    anonymous = forms.NullBooleanField(required=False)
    shortcuts = forms.NullBooleanField(required=False)


class RubricForm(forms.Form):
    """A whole rubric: marks, texts, and for each criterion its weight, its words and how measurements become points.

    Which criteria there are and what they measure is the catalogue's. ``titles`` names measurements by key.
    """

    title = forms.CharField(max_length=100)
    benchmark_title = forms.CharField(label="Benchmark", max_length=100)
    mark = forms.FloatField(label="Benchmark mark", help_text="In the unit of what is measured: 0.85 is 85 %.")
    how_it_works = forms.CharField(
        label="How it is measured", max_length=5000, required=False, widget=forms.Textarea(attrs={"rows": 4})
    )
    deliverables = forms.CharField(
        label="What students build", max_length=5000, required=False, help_text="One per line.",
        widget=forms.Textarea(attrs={"rows": 5}),
    )  # fmt: skip

    def __init__(self, *args: Any, rubric: Rubric, titles: Mapping[str, str], **kwargs: Any) -> None:
        texts = rubric.texts
        self.rubric = rubric
        kwargs["initial"] = {
            "title": rubric.title,
            "benchmark_title": rubric.benchmark.title,
            "mark": rubric.benchmark.mark,
            "how_it_works": texts.get("how_it_works", ""),
            "deliverables": "\n".join(texts.get("deliverables", ())),
        }
        super().__init__(*args, **kwargs)
        self.sections: list[CriterionSection] = []
        self.requires = [
            self._number(f"requires-{key}", _named(titles, key), least)
            for key, least in rubric.benchmark.requires.items()
        ]
        for criterion in rubric.criteria:
            self.sections.append(self._section(criterion, titles))

    def _number(self, name: str, label: str, initial: float) -> Any:
        widget = forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"})
        self.fields[name] = forms.FloatField(label=label, initial=_plain(initial), widget=widget)
        return self[name]

    def _words(self, name: str, label: str, initial: str, *, rows: int = 0) -> Any:
        widget = forms.Textarea(attrs={"rows": rows}) if rows else forms.TextInput()
        self.fields[name] = forms.CharField(
            label=label, initial=initial, max_length=2000 if rows else 100, required=not rows, widget=widget
        )
        return self[name]

    def _section(self, criterion: Criterion, titles: Mapping[str, str]) -> CriterionSection:
        key, shared = criterion.key, criterion.measure == "share"
        return CriterionSection(
            criterion=criterion,
            percent=self._number(f"percent-{key}", "Weight (%)", criterion.percent),
            title=self._words(f"title-{key}", "Name", criterion.title),
            description=self._words(
                f"description-{key}", "Description", str(criterion.texts.get("description", "")), rows=2
            ),
            measured=", ".join(_named(titles, name) for name in criterion.measurements),
            weights={
                name: self._number(f"weight-{key}-{name}", _named(titles, name), weight)
                for name, weight in (criterion.measurements.items() if shared else ())
            },
            anchors=self._anchors(criterion),
        )

    def _anchors(self, criterion: Criterion) -> list[tuple[str, str]]:
        """What stands in the fields of the anchors, as text; two rows are free for more."""
        if criterion.measure != "anchors":
            return []
        if self.is_bound:
            xs, shares = (self.data.getlist(f"{part}-{criterion.key}") for part in ("value", "share"))
            return list(zip(xs, shares, strict=False))
        rows = [(f"{x:.12g}", f"{100 * share:.12g}") for x, share in criterion.anchors]
        return [*rows, ("", ""), ("", "")]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        for section in self.sections:
            section.read_anchors(self)
        return cleaned

    def changed(self) -> Rubric:
        """The rubric as it was typed. Raises ``rubrics.InvalidRubric`` with one sentence."""
        values = self.cleaned_data
        texts = {"how_it_works": values["how_it_works"].replace("\r\n", "\n").strip()}
        texts["deliverables"] = [line.strip() for line in values["deliverables"].splitlines() if line.strip()]
        known = self.rubric.texts
        return rubrics.changed(
            self.rubric,
            title=values["title"],
            benchmark_title=values["benchmark_title"],
            mark=values["mark"],
            requires={key: values[f"requires-{key}"] for key in self.rubric.benchmark.requires},
            texts={name: text for name, text in texts.items() if text or name in known},
            criteria=[section.change(values) for section in self.sections],
        )


@dataclass(kw_only=True)
class CriterionSection:
    """The fields of one criterion in a :class:`RubricForm`."""

    criterion: Criterion
    percent: Any
    title: Any
    description: Any
    measured: str
    weights: dict[str, Any]
    anchors: list[tuple[str, str]]
    points: tuple[tuple[float, float], ...] = ()

    def read_anchors(self, form: RubricForm) -> None:
        """The anchors as numbers; a row that was left empty is none."""
        points = []
        for value, share in self.anchors:
            if not value.strip() and not share.strip():
                continue
            try:
                points.append((float(value), round(float(share) / 100, 12)))
            except ValueError:
                form.add_error(
                    None, f"{self.criterion.title}: an anchor is two numbers, “{value}” and “{share}” are not."
                )
                return
        self.points = tuple(points)

    def change(self, values: Mapping[str, Any]) -> rubrics.CriterionChange:
        key = self.criterion.key
        return rubrics.CriterionChange(
            title=values[f"title-{key}"],
            description=values[f"description-{key}"].replace("\r\n", "\n"),
            percent=values[f"percent-{key}"],
            anchors=self.points,
            weights={name: values[f"weight-{key}-{name}"] for name in self.weights},
        )


def _named(titles: Mapping[str, str], key: str) -> str:
    """A measurement in words: by the check that makes it, or by its key where a check makes several."""
    return titles.get(key) or key.replace("_", " ").capitalize()


def _plain(number: float) -> float | int:
    """40.0 as 40: how people write it."""
    return int(number) if float(number).is_integer() else number


class ApplyRubricForm(ReasonForm):
    """Whom a new rubric reaches, why, and which one it was made from (0: the catalogue's)."""

    reach = forms.ChoiceField(choices=Rescoring.Reach, error_messages={"required": "Choose whom it is for."})
    seen = forms.IntegerField(min_value=0)


class RosterFileForm(forms.Form):
    """A class list as a file."""

    file = forms.FileField(
        label="Class list",
        help_text="CSV with a header: e-mail and name, and student number and section where the list has them.",
        error_messages={"required": "Choose a file first.", "empty": "That file is empty: it has 0 bytes."},
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,.tsv,text/csv"}),
    )


class ApplyRosterForm(forms.Form):
    """What was looked at, carried back; and whether those who are not in the file are taken out."""

    packed = forms.CharField(widget=forms.HiddenInput)
    fingerprint = forms.CharField(max_length=64, widget=forms.HiddenInput)
    drop = forms.BooleanField(required=False)


#: How long an invitation can be used, unless somebody says otherwise.
INVITATION_DAYS = 14


class InvitationForm(forms.Form):
    """A link into a course: as what, for whom, for how long."""

    role = forms.ChoiceField(choices=Enrollment.Role)
    email = forms.EmailField(
        label="For the e-mail address",
        required=False,
        max_length=150,
        help_text="The link then works once, for this person. Left empty it works for whoever has it, as a student.",
    )
    section = forms.CharField(max_length=60, required=False)
    days = forms.IntegerField(label="Days that it can be used", min_value=1, max_value=120, initial=INVITATION_DAYS)

    def __init__(self, *args: Any, course: Course, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.course = course

    def clean_email(self) -> str:
        email = self.cleaned_data["email"].lower()
        here = Enrollment.objects.filter(course=self.course, active=True, person__email__iexact=email)
        if email and here.exclude(person__last_login=None).exists():
            raise forms.ValidationError("This person is in the course already; change their place under People.")
        return email

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        if values.get("role") != Enrollment.Role.STUDENT and not values.get("email") and "email" not in self.errors:
            self.add_error("email", "Staff are invited by name: give the e-mail address.")
        return values


class AccountForm(forms.Form):
    """The account that an invitation leads to. Without ``email`` its user name is chosen; of an ``account`` only the password."""

    username = forms.CharField(label="User name", max_length=150, validators=[Person.username_validator])
    full_name = forms.CharField(label="Your name", max_length=200)
    password = forms.CharField(
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 8 characters, not only digits, and not a common password.",
    )
    again = forms.CharField(
        label="Password again", strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )

    def __init__(self, *args: Any, email: str, account: Person | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = account
        self.username_shown = account.username if account else email
        if email:
            del self.fields["username"]
        if account is not None:
            del self.fields["full_name"]

    def clean_username(self) -> str:
        username = self.cleaned_data["username"]
        if Person.objects.filter(username__iexact=username).exists():
            raise forms.ValidationError("Somebody has this user name. Choose another, or sign in if it is yours.")
        return username

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        password = values.get("password")
        if password and values.get("again") != password:
            self.add_error("again", "The two passwords differ.")
        if password:
            owner = self.account or Person(username=values.get("username", ""), full_name=values.get("full_name", ""))
            try:
                validate_password(password, owner)
            except forms.ValidationError as weak:
                self.add_error("password", weak)
        names = {name: values.get(name, "") for name in ("username", "full_name")}
        return names | {"password": password}


class MilestoneRulesForm(forms.ModelForm):
    """The rules of a milestone. Dates are in the course's timezone, which the page names."""

    class Meta:
        model = CourseMilestone
        fields = rules.FIELDS
        labels = {
            "weight": "Share of the course grade (%)",
            "attempts": "Attempts",
            "cool_down": "Seconds between two attempts",
            "completion_threshold": "Score that completes it",
            "late_penalty_per_day": "Late penalty for each day begun (points)",
            "late_penalty_cap": "Most that being late costs (points)",
            "grace_days": "Days after the due date that cost nothing",
            "takes_pooled_days": "Grace days of the course's pool may be spent here",
            "team_size": "Most students who hand in together",
            "regrade_days": "Days in which a regrade can be asked for",
            "attempt_that_counts": "Which attempt counts",
            "hold_grades": "Hold the results until this is off",
        }
        help_texts = {"late_penalty_cap": "Empty: all of them.", "regrade_days": "Empty: any time."}
        widgets = {
            # With seconds: a form that is sent as it came must change nothing.
            name: forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S")
            for name in ("opens", "due", "closes")
        }

    #: The least and the most that numbers may be, where the column alone does not say it.
    BOUNDS = {
        "weight": (0, 100),
        "attempts": (1, 10_000),
        "team_size": (1, 100),
        "late_penalty_per_day": (0, 100),
        "late_penalty_cap": (0, 100),
        "grace_days": (0, 365),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, (least, most) in self.BOUNDS.items():
            self.fields[name].validators += [MinValueValidator(least), MaxValueValidator(most)]

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        for earlier, later, sentence in (
            ("opens", "due", "It must open before it is due."),
            ("due", "closes", "It must be due before it closes."),
            ("opens", "closes", "It must open before it closes."),
        ):
            first, second = values.get(earlier), values.get(later)
            if first and second and first >= second and not self.errors:
                self.add_error(later, sentence)
        return values


class ApplyRulesForm(ReasonForm):
    """Whom other rules reach, why, and which ones they were made from."""

    reach = forms.ChoiceField(choices=Rescoring.Reach, error_messages={"required": "Choose whom it is for."})
    seen = forms.CharField(max_length=16)


class PoolForm(ReasonForm):
    """How many late days each student may spend over all milestones."""

    grace_days = forms.IntegerField(label="Grace days of each student", min_value=0, max_value=365)


class ExtensionForm(ReasonForm):
    """Days and attempts for one student at one milestone."""

    milestone = forms.ModelChoiceField(CourseMilestone.objects.none(), to_field_name="milestone")
    extra_days = forms.FloatField(label="Extra days", min_value=0, max_value=365, initial=0)
    extra_attempts = forms.IntegerField(label="Extra attempts", min_value=0, max_value=1000, initial=0)

    def __init__(self, *args: Any, milestones: QuerySet[CourseMilestone], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["milestone"].queryset = milestones


class AccommodationsForm(ReasonForm):
    """What is granted to one student at every milestone."""

    extra_days = forms.FloatField(label="Extra days", min_value=0, max_value=365)
    extra_attempts = forms.IntegerField(label="Extra attempts", min_value=0, max_value=1000)
    time_factor = forms.FloatField(label="Factor on the time from opening to due", min_value=1, max_value=10)
    cpu_factor = forms.FloatField(label="Factor on CPU seconds", min_value=1, max_value=10)


class PlaceForm(ReasonForm):
    """Somebody's role, section and student number, and why they are changed."""

    role = forms.ChoiceField(choices=Enrollment.Role)
    section = forms.CharField(max_length=60, required=False)
    student_number = forms.CharField(max_length=60, required=False)
    field_order = ["role", "section", "student_number", "reason"]

    def __init__(self, *args: Any, place: Enrollment, **kwargs: Any) -> None:
        kwargs["initial"] = {name: getattr(place, name) for name in ("role", "section", "student_number")}
        super().__init__(*args, **kwargs)
