"""What the staff of a course need for its queue: reviews, re-runs of many, and the part of a log that students read."""

import django.db.models.deletion
import django.db.models.functions.text
import django.db.models.lookups
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("grading", "0002_append_only")]

    operations = [
        migrations.CreateModel(
            name="Review",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("reason", models.TextField()),
                ("at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ["evaluation", "id"],
            },
        ),
        migrations.AddField(
            model_name="evaluation",
            name="open_log",
            field=models.TextField(
                blank=True,
                help_text="What was printed while no hidden inputs were in use: its author reads it as well.",
            ),
        ),
        migrations.AlterField(
            model_name="evaluation",
            name="log",
            field=models.TextField(
                blank=True, help_text="All that was printed, or why a run failed by our fault: for staff."
            ),
        ),
        migrations.CreateModel(
            name="Rerun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(auto_now_add=True)),
                ("what", models.CharField(help_text="Which submissions, in words.", max_length=200)),
                ("reason", models.TextField()),
                (
                    "same_draws",
                    models.BooleanField(help_text="With the earlier seed and counts; otherwise with new ones."),
                ),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "course",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="reruns", to="grading.course"
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.AddField(
            model_name="evaluation",
            name="rerun",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                help_text="The re-run of many that it is part of.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="evaluations",
                to="grading.rerun",
            ),
        ),
        migrations.AddIndex(
            model_name="evaluation",
            index=models.Index(
                condition=models.Q(("needs_human", []), _negated=True), fields=["course"], name="for_a_person_by_course"
            ),
        ),
        migrations.AddIndex(
            model_name="evaluation",
            index=models.Index(
                condition=models.Q(("rerun__isnull", False)), fields=["rerun"], name="evaluations_by_rerun"
            ),
        ),
        migrations.AddField(
            model_name="review",
            name="by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="review",
            name="evaluation",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="reviews", to="grading.evaluation"
            ),
        ),
        migrations.AddConstraint(
            model_name="review",
            constraint=models.CheckConstraint(
                condition=django.db.models.lookups.GreaterThan(
                    django.db.models.functions.text.Length(django.db.models.functions.text.Trim("reason")), 0
                ),
                name="a_review_has_a_reason",
            ),
        ),
        migrations.RunSQL(
            "create trigger grading_review_is_append_only before update or delete on grading_review "
            "for each row execute function refuse_to_change_history()",
            "drop trigger grading_review_is_append_only on grading_review",
        ),
    ]
