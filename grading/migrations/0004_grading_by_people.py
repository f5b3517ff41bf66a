"""What grading by people keeps: extensions, teams, invitations, regrade requests, comments, rescorings, notifications."""

import django.db.models.deletion
import django.db.models.functions.text
import django.db.models.lookups
from django.conf import settings
from django.db import migrations, models

import grading.models.notices


class Migration(migrations.Migration):
    dependencies = [
        ("grading", "0003_queue_for_staff"),
    ]

    operations = [
        migrations.CreateModel(
            name="Extension",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("extra_days", models.FloatField(default=0, help_text="Days added to due and closing dates.")),
                ("extra_attempts", models.PositiveSmallIntegerField(default=0)),
                ("reason", models.TextField()),
                ("at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ["student", "course_milestone", "id"],
            },
        ),
        migrations.CreateModel(
            name="Invitation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "role",
                    models.CharField(
                        choices=[("student", "Student"), ("ta", "Teaching assistant"), ("instructor", "Instructor")],
                        default="student",
                        max_length=12,
                    ),
                ),
                ("section", models.CharField(blank=True, max_length=60)),
                (
                    "email",
                    models.EmailField(
                        blank=True,
                        help_text="For this person alone; empty means for whoever has the link.",
                        max_length=254,
                    ),
                ),
                ("secret_sha256", models.CharField(max_length=64, unique=True)),
                ("at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
                ("revoked_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["course", "-id"],
            },
        ),
        migrations.CreateModel(
            name="LineComment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("file", models.CharField(help_text="Its path in the upload.", max_length=400)),
                ("line", models.PositiveIntegerField()),
                ("text", models.TextField()),
                ("at", models.DateTimeField(auto_now_add=True)),
                ("withdrawn_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["submission", "file", "line", "id"],
            },
        ),
        migrations.CreateModel(
            name="Notification",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("result", "A result is ready"),
                            ("mark", "A mark was changed"),
                            ("regrade", "A regrade request was asked for or answered"),
                            ("deadline", "A deadline is near"),
                            ("attention", "Something waits for you"),
                        ],
                        max_length=10,
                    ),
                ),
                ("text", models.CharField(max_length=300)),
                ("address", models.CharField(help_text="The page that it is about.", max_length=300)),
                ("key", models.CharField(help_text="What it is about: the same thing is said once.", max_length=120)),
                ("at", models.DateTimeField(auto_now_add=True)),
                ("read_at", models.DateTimeField(null=True)),
                ("by_email", models.BooleanField(default=True, help_text="Whether it is to be sent as well.")),
                ("emailed_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["person", "-id"],
            },
        ),
        migrations.CreateModel(
            name="NotificationChoice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("result", "A result is ready"),
                            ("mark", "A mark was changed"),
                            ("regrade", "A regrade request was asked for or answered"),
                            ("deadline", "A deadline is near"),
                            ("attention", "Something waits for you"),
                        ],
                        max_length=10,
                    ),
                ),
                ("on_site", models.BooleanField(default=True)),
                ("by_email", models.BooleanField(default=True)),
            ],
            options={
                "ordering": ["person", "kind"],
            },
        ),
        migrations.CreateModel(
            name="Portfolio",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(default=grading.models.notices.new_portfolio_key, max_length=32, unique=True)),
                ("public", models.BooleanField(default=False)),
                ("introduction", models.TextField(blank=True)),
                ("shows_scores", models.BooleanField(default=False)),
                ("changed_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "ordering": ["student"],
            },
        ),
        migrations.CreateModel(
            name="RegradeRequest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("text", models.TextField()),
                ("at", models.DateTimeField(auto_now_add=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("changed", "Changed"),
                            ("unchanged", "Left as it was"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        default="open",
                        max_length=10,
                    ),
                ),
                ("answer_due", models.DateTimeField(help_text="Until when the staff mean to answer.", null=True)),
                ("answer", models.TextField(blank=True)),
                ("answered_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["course", "-id"],
            },
        ),
        migrations.CreateModel(
            name="RescoredEvaluation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("before", models.JSONField()),
                ("after", models.JSONField()),
            ],
            options={
                "ordering": ["rescoring", "evaluation"],
            },
        ),
        migrations.CreateModel(
            name="Rescoring",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "reach",
                    models.CharField(
                        choices=[
                            ("all", "For everybody"),
                            ("helped", "Only where it helps"),
                            ("none", "For new submissions only"),
                        ],
                        max_length=8,
                    ),
                ),
                ("reason", models.TextField()),
                ("at", models.DateTimeField(auto_now_add=True)),
                ("undone_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["course_milestone", "-id"],
            },
        ),
        migrations.CreateModel(
            name="SavedComment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "criterion",
                    models.CharField(blank=True, help_text="Key of a criterion; empty means any.", max_length=100),
                ),
                ("text", models.TextField()),
                ("at", models.DateTimeField(auto_now_add=True)),
                ("uses", models.PositiveIntegerField(default=0)),
            ],
            options={
                "ordering": ["course", "-uses", "id"],
            },
        ),
        migrations.CreateModel(
            name="Team",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=80)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ["course_milestone", "name"],
            },
        ),
        migrations.CreateModel(
            name="TeamMember",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("accepted", models.BooleanField(default=False)),
            ],
            options={
                "ordering": ["team", "student"],
            },
        ),
        migrations.AddField(
            model_name="course",
            name="grace_days",
            field=models.PositiveSmallIntegerField(
                default=0, help_text="Late days that each student may spend over all milestones without a penalty."
            ),
        ),
        migrations.AddField(
            model_name="course",
            name="previous",
            field=models.ForeignKey(
                blank=True,
                help_text="The term before.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="next_terms",
                to="grading.course",
            ),
        ),
        migrations.AddField(
            model_name="coursemilestone",
            name="late_penalty_cap",
            field=models.FloatField(
                blank=True, help_text="Most points (of 100) that being late costs; empty means all of them.", null=True
            ),
        ),
        migrations.AddField(
            model_name="coursemilestone",
            name="regrade_days",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="Days after a result in which a regrade can be asked for; empty: any time.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="coursemilestone",
            name="rubric",
            field=models.ForeignKey(
                blank=True,
                help_text="The course's own rubric; empty means the catalogue's.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="grading.rubricversion",
            ),
        ),
        migrations.AddField(
            model_name="coursemilestone",
            name="takes_pooled_days",
            field=models.BooleanField(
                default=True, help_text="Students may spend the course's grace days on this milestone."
            ),
        ),
        migrations.AddField(
            model_name="coursemilestone",
            name="team_size",
            field=models.PositiveSmallIntegerField(default=1, help_text="Most students who may hand in together."),
        ),
        migrations.AddField(
            model_name="enrollment",
            name="cpu_factor",
            field=models.FloatField(default=1, help_text="Factor on the CPU seconds that the student's code may take."),
        ),
        migrations.AddField(
            model_name="enrollment",
            name="test",
            field=models.BooleanField(
                default=False, help_text="The course's test student: measured like any, counted nowhere."
            ),
        ),
        migrations.AddField(
            model_name="submission",
            name="grace_days_spent",
            field=models.PositiveSmallIntegerField(
                default=0, help_text="Of the student's pool for the course, on being late with this attempt."
            ),
        ),
        migrations.AddField(
            model_name="submission",
            name="partners",
            field=models.ManyToManyField(
                blank=True,
                help_text="Who else handed it in, at that time.",
                related_name="shared_submissions",
                to="grading.enrollment",
            ),
        ),
        migrations.AddField(
            model_name="submission",
            name="policy",
            field=models.ForeignKey(
                blank=True,
                help_text="The rules it is judged by: those of its time, or those that staff applied to it later.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="grading.policyversion",
            ),
        ),
        migrations.AddConstraint(
            model_name="coursemilestone",
            constraint=models.CheckConstraint(
                condition=models.Q(("late_penalty_cap", None), ("late_penalty_cap__range", (0, 100)), _connector="OR"),
                name="late_penalty_cap_is_a_percentage",
            ),
        ),
        migrations.AddConstraint(
            model_name="coursemilestone",
            constraint=models.CheckConstraint(
                condition=models.Q(("team_size__gte", 1)), name="a_team_has_at_least_one_student"
            ),
        ),
        migrations.AddConstraint(
            model_name="enrollment",
            constraint=models.CheckConstraint(
                condition=models.Q(("cpu_factor__range", (1, 10))), name="cpu_factor_is_from_1_to_10"
            ),
        ),
        migrations.AddConstraint(
            model_name="enrollment",
            constraint=models.UniqueConstraint(
                condition=models.Q(("test", True)), fields=("course",), name="one_test_student_per_course"
            ),
        ),
        migrations.AddConstraint(
            model_name="enrollment",
            constraint=models.CheckConstraint(
                condition=models.Q(("test", False), ("role", "student"), _connector="OR"),
                name="a_test_student_is_a_student",
            ),
        ),
        migrations.AddField(
            model_name="extension",
            name="by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="extension",
            name="course_milestone",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="extensions", to="grading.coursemilestone"
            ),
        ),
        migrations.AddField(
            model_name="extension",
            name="student",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="extensions", to="grading.enrollment"
            ),
        ),
        migrations.AddField(
            model_name="invitation",
            name="by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="invitation",
            name="course",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="invitations", to="grading.course"
            ),
        ),
        migrations.AddField(
            model_name="invitation",
            name="used_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="linecomment",
            name="by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="linecomment",
            name="submission",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="line_comments", to="grading.submission"
            ),
        ),
        migrations.AddField(
            model_name="notification",
            name="course",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="grading.course"
            ),
        ),
        migrations.AddField(
            model_name="notification",
            name="person",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="notifications", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="notificationchoice",
            name="person",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="notification_choices",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="portfolio",
            name="student",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE, related_name="portfolio", to="grading.enrollment"
            ),
        ),
        migrations.AddField(
            model_name="regraderequest",
            name="answered_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="regraderequest",
            name="assignee",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="regraderequest",
            name="course",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="regrade_requests", to="grading.course"
            ),
        ),
        migrations.AddField(
            model_name="regraderequest",
            name="criterion_score",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="regrade_requests",
                to="grading.criterionscore",
            ),
        ),
        migrations.AddField(
            model_name="regraderequest",
            name="override",
            field=models.ForeignKey(
                help_text="The mark that it led to.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="grading.override",
            ),
        ),
        migrations.AddField(
            model_name="regraderequest",
            name="student",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="regrade_requests", to="grading.enrollment"
            ),
        ),
        migrations.AddField(
            model_name="rescoredevaluation",
            name="evaluation",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="rescorings", to="grading.evaluation"
            ),
        ),
        migrations.AddField(
            model_name="rescoring",
            name="after",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="grading.rubricversion"
            ),
        ),
        migrations.AddField(
            model_name="rescoring",
            name="before",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="grading.rubricversion"
            ),
        ),
        migrations.AddField(
            model_name="rescoring",
            name="by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="rescoring",
            name="course_milestone",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="rescorings", to="grading.coursemilestone"
            ),
        ),
        migrations.AddField(
            model_name="rescoring",
            name="undone_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="rescoredevaluation",
            name="rescoring",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="evaluations", to="grading.rescoring"
            ),
        ),
        migrations.AddField(
            model_name="savedcomment",
            name="by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="savedcomment",
            name="course",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="saved_comments", to="grading.course"
            ),
        ),
        migrations.AddField(
            model_name="team",
            name="course_milestone",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="teams", to="grading.coursemilestone"
            ),
        ),
        migrations.AddField(
            model_name="teammember",
            name="course_milestone",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="grading.coursemilestone"
            ),
        ),
        migrations.AddField(
            model_name="teammember",
            name="student",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="team_places", to="grading.enrollment"
            ),
        ),
        migrations.AddField(
            model_name="teammember",
            name="team",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="members", to="grading.team"
            ),
        ),
        migrations.AddConstraint(
            model_name="extension",
            constraint=models.CheckConstraint(
                condition=models.Q(("extra_days__gte", 0)), name="an_extension_only_gives_days"
            ),
        ),
        migrations.AddConstraint(
            model_name="extension",
            constraint=models.CheckConstraint(
                condition=django.db.models.lookups.GreaterThan(
                    django.db.models.functions.text.Length(django.db.models.functions.text.Trim("reason")), 0
                ),
                name="an_extension_has_a_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.CheckConstraint(
                condition=models.Q(("role", "student"), models.Q(("email", ""), _negated=True), _connector="OR"),
                name="staff_are_invited_by_name",
            ),
        ),
        migrations.AddConstraint(
            model_name="linecomment",
            constraint=models.CheckConstraint(
                condition=django.db.models.lookups.GreaterThan(
                    django.db.models.functions.text.Length(django.db.models.functions.text.Trim("text")), 0
                ),
                name="a_line_comment_says_something",
            ),
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(condition=models.Q(("read_at", None)), fields=["person"], name="unread_notifications"),
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(
                condition=models.Q(("by_email", True), ("emailed_at", None)),
                fields=["id"],
                name="notifications_to_send",
            ),
        ),
        migrations.AddConstraint(
            model_name="notification",
            constraint=models.UniqueConstraint(fields=("person", "key"), name="nobody_is_told_the_same_thing_twice"),
        ),
        migrations.AddConstraint(
            model_name="notificationchoice",
            constraint=models.UniqueConstraint(fields=("person", "kind"), name="one_choice_per_person_and_kind"),
        ),
        migrations.AddIndex(
            model_name="regraderequest",
            index=models.Index(condition=models.Q(("state", "open")), fields=["course"], name="open_regrade_requests"),
        ),
        migrations.AddConstraint(
            model_name="regraderequest",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "open")),
                fields=("criterion_score",),
                name="one_open_regrade_request_per_criterion",
            ),
        ),
        migrations.AddConstraint(
            model_name="regraderequest",
            constraint=models.CheckConstraint(
                condition=django.db.models.lookups.GreaterThan(
                    django.db.models.functions.text.Length(django.db.models.functions.text.Trim("text")), 0
                ),
                name="a_regrade_request_says_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="regraderequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["open", "withdrawn"]),
                    models.Q(
                        ("answered_at__isnull", False),
                        ("answered_by__isnull", False),
                        django.db.models.lookups.GreaterThan(
                            django.db.models.functions.text.Length(django.db.models.functions.text.Trim("answer")), 0
                        ),
                    ),
                    _connector="OR",
                ),
                name="an_answered_regrade_request_has_an_answer",
            ),
        ),
        migrations.AddConstraint(
            model_name="rescoring",
            constraint=models.CheckConstraint(
                condition=django.db.models.lookups.GreaterThan(
                    django.db.models.functions.text.Length(django.db.models.functions.text.Trim("reason")), 0
                ),
                name="a_rescoring_has_a_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="rescoredevaluation",
            constraint=models.UniqueConstraint(
                fields=("rescoring", "evaluation"), name="a_rescoring_changes_an_evaluation_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="savedcomment",
            constraint=models.CheckConstraint(
                condition=django.db.models.lookups.GreaterThan(
                    django.db.models.functions.text.Length(django.db.models.functions.text.Trim("text")), 0
                ),
                name="a_saved_comment_says_something",
            ),
        ),
        migrations.AddConstraint(
            model_name="team",
            constraint=models.UniqueConstraint(
                fields=("course_milestone", "name"), name="teams_of_a_milestone_are_named_apart"
            ),
        ),
        migrations.AddConstraint(
            model_name="teammember",
            constraint=models.UniqueConstraint(fields=("team", "student"), name="nobody_is_in_a_team_twice"),
        ),
        migrations.AddConstraint(
            model_name="teammember",
            constraint=models.UniqueConstraint(
                condition=models.Q(("accepted", True)),
                fields=("student", "course_milestone"),
                name="one_team_per_student_and_milestone",
            ),
        ),
        migrations.RunSQL(
            "create trigger grading_extension_is_append_only before update or delete on grading_extension "
            "for each row execute function refuse_to_change_history()",
            "drop trigger grading_extension_is_append_only on grading_extension",
        ),
    ]
