"""The administration, for the people who run the platform. Courses are run on the site's own pages.

What only the pipeline writes, and what nobody may change, can be looked at here and not edited.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.http import HttpRequest

from grading import models


@admin.register(models.Person)
class PersonAdmin(UserAdmin):
    list_display = ["username", "full_name", "email", "is_active", "is_superuser"]
    search_fields = ["username", "full_name", "email"]
    list_filter = ["is_active", "is_superuser"]
    ordering = ["username"]
    add_form = AdminUserCreationForm
    fieldsets = [
        (None, {"fields": ["username", "password"]}),
        ("Person", {"fields": ["full_name", "email", "theme"]}),
        ("Rights", {"fields": ["is_active", "is_staff", "is_superuser"]}),
        ("Dates", {"fields": ["last_login", "date_joined"]}),
    ]
    add_fieldsets = [
        (None, {"fields": ["username", "full_name", "email", "usable_password", "password1", "password2"]}),
    ]


@admin.register(models.Course)
class CourseAdmin(admin.ModelAdmin):
    list_display = ["slug", "title", "term", "timezone", "completion_threshold"]
    search_fields = ["slug", "title"]


@admin.register(models.Enrollment)
class EnrollmentAdmin(admin.ModelAdmin):
    list_display = ["person", "course", "role", "section", "active"]
    list_filter = ["course", "role", "active"]
    search_fields = ["person__username", "person__full_name", "person__email"]
    autocomplete_fields = ["person", "course"]
    list_select_related = ["person", "course"]


@admin.register(models.CourseMilestone)
class CourseMilestoneAdmin(admin.ModelAdmin):
    list_display = ["course", "number", "milestone", "opens", "due", "closes", "attempts"]
    list_filter = ["course"]
    list_select_related = ["course"]


class LookOnly(admin.ModelAdmin):
    """Rows that can be found and read."""

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(models.Submission)
class SubmissionAdmin(LookOnly):
    list_display = ["id", "student", "course_milestone", "attempt", "submitted_at", "source", "counted_as_attempt"]
    list_filter = ["course_milestone__course", "source"]
    search_fields = ["student__person__username", "student__person__full_name", "sha256"]
    list_select_related = ["student__person", "student__course", "course_milestone__course"]
    date_hierarchy = "submitted_at"


@admin.register(models.Evaluation)
class EvaluationAdmin(LookOnly):
    list_display = ["id", "state", "submission", "batch", "queued_at", "finished_at", "tries", "worker", "score"]
    list_filter = ["state", "course", "batch"]
    list_select_related = ["submission__student__person", "submission__course_milestone__course"]


@admin.register(models.MilestoneResult)
class MilestoneResultAdmin(LookOnly):
    list_display = ["enrollment", "course_milestone", "score", "completed", "benchmark_met", "needs_human"]
    list_filter = ["course", "completed", "needs_human"]
    list_select_related = ["enrollment__person", "enrollment__course", "course_milestone__course"]


@admin.register(models.AuditEvent)
class AuditEventAdmin(LookOnly):
    list_display = ["at", "who", "what", "target", "reason"]
    list_filter = ["what", "course"]
    list_select_related = ["who"]
