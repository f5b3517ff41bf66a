"""The claim as a function of the database. When ``claim.sql`` changes, another migration of this form carries it there."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "pipeline" / "claim.sql"


class Migration(migrations.Migration):
    dependencies = [("grading", "0005_desk_and_history")]

    operations = [
        migrations.RunSQL(
            SQL.read_text(),
            "drop function claim_evaluation(bigint, boolean, integer, text, double precision)",
        )
    ]
