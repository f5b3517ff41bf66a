"""A demonstration course: people with sign-ins, and our sample packages sent through the real pipeline."""

from __future__ import annotations

import secrets
import tempfile
from argparse import ArgumentParser
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from grading.models import Course, CourseMilestone, Enrollment, Person, Submission
from grading.pipeline import intake
from milestones import registry
from milestones.catalog import samples
from milestones.contract import Milestone

COURSE = "cs329s_2024"
STAFF = (("ivy", "Ivy Okafor", Enrollment.Role.INSTRUCTOR), ("tia", "Tia Lindqvist", Enrollment.Role.TA))
STUDENTS = (
    ("alice", "Alice Adeyemi"),
    ("bob", "Bob Bianchi"),
    ("chen", "Chen Wei"),
    ("dubois", "Camille Dubois"),
    ("eriksson", "Maja Eriksson"),
    ("fernandez", "Lucía Fernández"),
    ("gupta", "Rohan Gupta"),
    ("haddad", "Leila Haddad"),
    ("ito", "Haruka Itō"),
    ("johansen", "Nils Johansen"),
    ("kovacs", "Réka Kovács"),
    ("lopez", "Mateo López"),
)
# Who hands in what: some try twice, some struggle, one has handed in nothing yet. The later milestones take quick samples:
# all of it is measured while somebody watches.
HAND_INS: dict[str, dict[str, tuple[str, ...]]] = {
    "basic-inference": {
        "alice": ("unsummed_bias_gradient", "full_autograd"),
        "bob": ("weak_weights",),
        "chen": ("linear_only",),
        "dubois": ("forward_only",),
        "eriksson": ("crashes_at_import",),
        "fernandez": ("unstable_softmax",),
        "gupta": ("one_syntax_error", "full_autograd"),
        "haddad": ("stub_layers",),
        "ito": ("weak_weights", "forward_only"),
        "johansen": ("unsummed_bias_gradient",),
        "kovacs": ("full_autograd",),
    },
    "computer-vision": {
        "alice": ("flipped_kernel", "full_package"),
        "fernandez": ("unlisted_kernel",),
        "gupta": ("full_package",),
        "ito": ("flattened_batch",),
        "kovacs": ("ignored_padding", "full_package"),
    },
    "full-training": {
        "alice": ("full_trainer",),
        "gupta": ("gradient_ascent",),
        "kovacs": ("stopped_too_early", "full_trainer"),
    },
    "advanced-vision": {"alice": ("full_package",), "kovacs": ("just_below",)},
    "language-generation": {"alice": ("character_gpt",)},
}
MAIL_DOMAIN = "demo.invalid"


class Command(BaseCommand):
    help = (
        f"Create or refresh the demonstration course {COURSE}, print its sign-ins, and hand in our sample packages. "
        "They are evaluated by the running workers like any upload; nothing is pre-computed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--password", help="password of all demonstration accounts (default: a new random one)")

    def handle(self, *args: Any, **options: Any) -> None:
        password = options["password"] or f"tiny-{secrets.token_hex(4)}"
        with transaction.atomic():
            course = self._course()
            people = self._people(course, password)
        waiting = sum(self._hand_in(milestone, people) for milestone in course.milestones.select_related("course"))
        self._say(password, waiting)

    def _course(self) -> Course:
        existing = Course.objects.filter(slug=COURSE).first()
        if existing and existing.enrollments.exclude(person__email__endswith=f"@{MAIL_DOMAIN}").exists():
            raise CommandError(f"The course {COURSE} has real people in it; the demonstration leaves it alone.")
        course = existing or Course.objects.create(
            slug=COURSE, title="CS 329S: Machine Learning Systems", term="Autumn 2024", timezone="America/Los_Angeles"
        )
        now = timezone.now()
        for milestone in registry.catalog():
            rubric = milestone.rubric
            CourseMilestone.objects.get_or_create(
                course=course,
                milestone=rubric.slug,
                defaults={
                    "number": rubric.number,
                    "weight": rubric.weight,
                    "opens": now - timedelta(days=14),
                    "due": now + timedelta(days=7 * rubric.number),
                    "closes": now + timedelta(days=7 * rubric.number + 7),
                    "late_penalty_per_day": 5,
                    "grace_days": 1,
                },
            )
        return course

    def _people(self, course: Course, password: str) -> dict[str, Enrollment]:
        """Everybody's enrolment by username; their passwords are set anew, so that what is printed is true."""
        enrolled = {}
        roles = [*STAFF, *((username, name, Enrollment.Role.STUDENT) for username, name in STUDENTS)]
        for username, name, role in roles:
            email = f"{username}@{MAIL_DOMAIN}"
            person, new = Person.objects.get_or_create(username=username, defaults={"email": email, "full_name": name})
            if not new and person.email != email:
                raise CommandError(f"There is a real account named {username}; the demonstration leaves it alone.")
            person.set_password(password)
            person.save(update_fields=["password"])
            enrolled[username], _ = Enrollment.objects.get_or_create(
                course=course, person=person, defaults={"role": role}
            )
        return enrolled

    def _hand_in(self, course_milestone: CourseMilestone, people: dict[str, Enrollment]) -> int:
        """Hand in the students' samples of one milestone; what was handed in before stays as it is."""
        milestone: Milestone = registry.get(course_milestone.milestone)
        available = {sample.name: sample for sample in samples.list_samples(milestone.folder)}
        hand_ins = HAND_INS.get(course_milestone.milestone, {})
        waiting = 0
        with tempfile.TemporaryDirectory() as folder:
            # First attempts of all, then second ones: everybody is seen working at once.
            for attempt in range(max(map(len, hand_ins.values()), default=0)):
                for username, names in hand_ins.items():
                    if attempt >= len(names) or names[attempt] not in available:
                        continue
                    target = Path(folder) / f"{names[attempt]}.zip"
                    samples.pack(available[names[attempt]].folder, target)
                    with target.open("rb") as file:
                        intake.receive(
                            student=people[username],
                            course_milestone=course_milestone,
                            file=file,
                            original_name=target.name,
                            source=Submission.Source.DEMO,
                            upload_key=f"demo-{attempt}-{names[attempt]}",
                        )
                    waiting += 1
        return waiting

    def _say(self, password: str, submissions: int) -> None:
        data = "the data sets in DATASETS_DIR" if settings.DATASETS_DIR else "practice data, as DATASETS_DIR is not set"
        rows = [
            f"The demonstration course {COURSE}: {submissions} submissions handed in, measured on {data}.",
            f"All demonstration accounts have the password  {password}",
            *(f"  {role.label.lower():<20} {username}" for username, _, role in STAFF),
            f"  {'students':<20} {', '.join(username for username, _ in STUDENTS)}",
        ]
        self.stdout.write("\n".join(rows))
