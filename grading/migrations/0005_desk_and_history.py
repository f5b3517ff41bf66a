"""Who takes care of a submission at the desk; and for the history, which student and which milestone an entry concerns."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

#: Entries of earlier versions say what they concern by name and number only. The trigger that keeps them as they were would
#: refuse to fill in the new columns, so it rests meanwhile; what they said stays as it is.
FILL = """
set constraints all immediate;
alter table grading_auditevent disable trigger grading_auditevent_is_append_only;
update grading_auditevent as entry
set student_id = submission.student_id, course_milestone_id = submission.course_milestone_id
from grading_submission as submission
left join grading_evaluation as evaluation on evaluation.submission_id = submission.id
left join grading_criterionscore as criterion on criterion.evaluation_id = evaluation.id
where entry.target in (
    'submission ' || submission.id, 'evaluation ' || evaluation.id, 'criterion_score ' || criterion.id
);
alter table grading_auditevent enable trigger grading_auditevent_is_append_only;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("grading", "0004_grading_by_people"),
    ]

    operations = [
        migrations.CreateModel(
            name="DeskAssignment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "ordering": ["submission"],
            },
        ),
        migrations.AddField(
            model_name="auditevent",
            name="course_milestone",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="audit_events",
                to="grading.coursemilestone",
            ),
        ),
        migrations.AddField(
            model_name="auditevent",
            name="student",
            field=models.ForeignKey(
                db_index=False,
                help_text="Whom it concerns, where it concerns one student.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="audit_events",
                to="grading.enrollment",
            ),
        ),
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(
                condition=models.Q(("student__isnull", False)), fields=["student", "-id"], name="audit_by_student"
            ),
        ),
        migrations.AddField(
            model_name="deskassignment",
            name="assignee",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="deskassignment",
            name="by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="deskassignment",
            name="submission",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT, related_name="desk_assignment", to="grading.submission"
            ),
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
