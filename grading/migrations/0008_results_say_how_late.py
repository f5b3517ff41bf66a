"""How late the counted attempt was stands beside its score: the gradebook reads one row for each cell."""

from django.db import migrations, models

FILL = """
update grading_milestoneresult result
   set seconds_late = submission.seconds_late
  from grading_submission submission
 where submission.id = result.submission_id and submission.seconds_late > 0
"""


class Migration(migrations.Migration):
    dependencies = [("grading", "0007_student_numbers")]

    operations = [
        migrations.AddField(
            model_name="milestoneresult",
            name="seconds_late",
            field=models.PositiveIntegerField(default=0, help_text="Of the attempt that counts."),
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
