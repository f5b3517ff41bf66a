"""Marks, decisions and the audit trail can be added to and never changed, whoever asks and by whatever road."""

from django.db import migrations

TABLES = ("grading_override", "grading_benchmarkdecision", "grading_auditevent")

FUNCTION = """
create function refuse_to_change_history() returns trigger language plpgsql as $$
begin
    raise exception 'rows of % are append-only', tg_table_name using errcode = 'integrity_constraint_violation';
end $$
"""


def trigger(table: str) -> str:
    # Row triggers: TRUNCATE, with which a test database is emptied, does not fire them.
    return (
        f"create trigger {table}_is_append_only before update or delete on {table} "
        "for each row execute function refuse_to_change_history()"
    )


class Migration(migrations.Migration):
    dependencies = [("grading", "0001_initial")]
    operations = [
        migrations.RunSQL(FUNCTION, "drop function refuse_to_change_history()"),
        *[migrations.RunSQL(trigger(table), f"drop trigger {table}_is_append_only on {table}") for table in TABLES],
    ]
