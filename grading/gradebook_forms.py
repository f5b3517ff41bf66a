"""What people choose about the gradebook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from grading.models import CourseMilestone


class GradebookFileForm(forms.Form):
    """In which shape the gradebook is wanted; for Canvas with the ids that it gave its assignments."""

    shape = forms.ChoiceField(
        label="Shape",
        choices=[
            ("plain", "Plain: everything that the page shows"),
            ("canvas", "Canvas gradebook"),
            ("nbgrader", "nbgrader"),
        ],
        widget=forms.RadioSelect,
        initial="plain",
    )

    def __init__(self, *args: Any, milestones: Sequence[CourseMilestone], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.names = {f"canvas_{milestone.milestone}": milestone.milestone for milestone in milestones}
        for milestone in milestones:
            self.fields[f"canvas_{milestone.milestone}"] = forms.IntegerField(
                label=f"Canvas assignment of milestone {milestone.number}",
                required=False,
                min_value=1,
                widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
            )

    @property
    def assignments(self) -> dict[str, int]:
        """Canvas's ids by milestone (slug), of those that have one."""
        found = {slug: self.cleaned_data.get(name) for name, slug in self.names.items()}
        return {slug: number for slug, number in found.items() if number}

    def clean(self) -> dict[str, Any]:
        """Canvas needs at least one id, and two milestones never share one."""
        cleaned = super().clean()
        given = [cleaned[name] for name in self.names if cleaned.get(name)]
        if cleaned.get("shape") == "canvas" and not given and not self.errors:
            raise forms.ValidationError("Give the id of at least one assignment: Canvas finds its columns by it.")
        if len(given) != len(set(given)):
            raise forms.ValidationError("Two milestones have the same assignment id; each has its own in Canvas.")
        return cleaned
