"""After the storm: what became of every upload, asked from the database and the store of files alone."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from grading.models import (
    CriterionScore,
    Evaluation,
    EvaluationEvidence,
    HourlyActivity,
    MilestoneResult,
    Submission,
)
from grading.pipeline import intake, results
from milestones import registry
from tests.chaos.crew import Upload

State = Evaluation.State
#: By how many points of 100 the same package may differ between two private draws of images.
DRAW = 0.5

#: Every publication is written down by the database itself, also one that would overwrite another.
WITNESS = """
create table chaos_publication (evaluation_id bigint not null, score double precision, at timestamptz not null);
create function chaos_witness() returns trigger language plpgsql as $$
begin
  if new.state = 'scored' and (old.state <> 'scored' or old.score is distinct from new.score
                               or old.finished_at is distinct from new.finished_at) then
    insert into chaos_publication values (new.id, new.score, clock_timestamp());
  end if;
  return new;
end $$;
create trigger chaos_witness after update on grading_evaluation for each row execute function chaos_witness();
"""


def install_witness() -> None:
    """Let the database of the run write down every publication."""
    with connection.cursor() as cursor:
        cursor.execute(WITNESS)


@dataclass
class Verdict:
    """What was found. Every list holds one sentence per finding and must be empty."""

    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    wrongly_charged: list[str] = field(default_factory=list)
    inconsistent: list[str] = field(default_factory=list)
    left_behind: list[str] = field(default_factory=list)
    deaf: list[str] = field(default_factory=list)
    strays: int = 0
    submissions: int = 0
    published: int = 0
    for_a_person: int = 0
    tries: Counter[int] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    waited: list[float] = field(default_factory=list)
    took: list[float] = field(default_factory=list)

    @property
    def findings(self) -> dict[str, list[str]]:
        """Everything that must be empty, by its name in the table."""
        return {
            "lost": self.lost,
            "duplicated": self.duplicated,
            "stuck": self.stuck,
            "wrongly charged": self.wrongly_charged,
            "inconsistent": self.inconsistent,
            "left behind": self.left_behind,
            "deaf workers": self.deaf,
        }


def judge(uploads: Iterable[Upload], scores: Mapping[str, float]) -> Verdict:
    """Look at everything. ``scores``: what each sample gets when nothing goes wrong."""
    verdict = Verdict()
    uploads = list(uploads)
    submissions = list(Submission.objects.prefetch_related("evaluations").order_by("pk"))
    verdict.submissions = len(submissions)
    _check_uploads(verdict, uploads, submissions)
    _check_files(verdict, submissions)
    _check_runs(verdict, submissions, scores)
    _check_publications(verdict)
    _check_results(verdict)
    return verdict


def _check_uploads(verdict: Verdict, uploads: list[Upload], submissions: list[Submission]) -> None:
    by_key = defaultdict(list)
    for submission in submissions:
        by_key[submission.upload_key].append(submission)
    for upload in uploads:
        found = by_key.pop(upload.key, [])
        if upload.outcome == "accepted":
            if [submission.pk for submission in found] != sorted(upload.submissions):
                what = f"{upload.key} was accepted as {sorted(upload.submissions)}, and there is {found}."
                (verdict.lost if not found else verdict.duplicated).append(what)
            elif (found[0].student_id, found[0].course_milestone_id, found[0].sha256) != (
                upload.student,
                upload.milestone,
                upload.sha256,
            ):
                verdict.lost.append(f"{upload.key}: the submission is not what was handed in.")
        elif found:
            verdict.inconsistent.append(f"{upload.key} ended as {upload.outcome} and is stored as {found}.")
    verdict.inconsistent += [f"Nobody handed in {found}." for found in by_key.values()]


def _check_files(verdict: Verdict, submissions: list[Submission]) -> None:
    media = Path(settings.MEDIA_ROOT)
    for submission in submissions:
        try:
            content = submission.path.read_bytes()
        except OSError as trouble:
            verdict.lost.append(f"The file of {submission} cannot be read: {trouble}.")
            continue
        if (hashlib.sha256(content).hexdigest(), len(content)) != (submission.sha256, submission.size):
            verdict.lost.append(f"The file of {submission} is not what was handed in.")
    verdict.strays = intake.tidy(older_than=0)
    stored = {path for path in (media / "uploads").rglob("*") if path.is_file()}
    without_row = stored - {submission.path for submission in submissions}
    verdict.left_behind += [f"The file {path} belongs to no submission." for path in sorted(without_row)]
    verdict.left_behind += [f"{path} is half an upload." for path in sorted((media / "incoming").glob("*"))]


def _check_runs(verdict: Verdict, submissions: list[Submission], scores: Mapping[str, float]) -> None:
    for submission in submissions:
        runs = list(submission.evaluations.all())
        if len(runs) != 1:
            (verdict.duplicated if runs else verdict.lost).append(f"{submission} has {len(runs)} evaluations.")
            continue
        (run,) = runs
        verdict.tries[run.tries] += 1
        if run.state == State.SCORED:
            _check_published(verdict, submission, run, scores)
        elif run.state == State.FAILED:
            verdict.for_a_person += 1
            verdict.reasons[run.log.split("\n")[0][:90]] += 1
            if not run.needs_human:
                verdict.stuck.append(f"{run} failed, and nobody is asked to look.")
            if submission.counted_as_attempt:
                verdict.wrongly_charged.append(f"{run} failed by our fault and used an attempt.")
        else:
            verdict.stuck.append(f"{run} is {run.state} after {run.tries} tries: {run.log[:200]}")


def _check_published(verdict: Verdict, submission: Submission, run: Evaluation, scores: Mapping[str, float]) -> None:
    verdict.published += 1
    verdict.waited.append((run.started_at - run.queued_at).total_seconds())
    verdict.took.append((run.finished_at - run.queued_at).total_seconds())
    if run.finished_at < run.started_at:
        verdict.inconsistent.append(f"{run} ended before it began.")
    expected = scores[submission.original_name.removesuffix(".zip")]
    if abs(run.score - expected) > DRAW:
        crashed = [found["message"][:100] for found in run.measurements if found["status"] in ("crashed", "not_run")][
            :2
        ]
        verdict.wrongly_charged.append(f"{run} scored {run.score:.2f} instead of {expected:.2f}: {crashed}")
    if not submission.counted_as_attempt:
        verdict.inconsistent.append(f"{run} has a result and used no attempt.")


def _check_publications(verdict: Verdict) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select evaluation_id, count(*) from chaos_publication group by 1")
        published = dict(cursor.fetchall())
    scored = set(Evaluation.objects.filter(state=State.SCORED).values_list("pk", flat=True))
    for evaluation, times in published.items():
        if times > 1 or evaluation not in scored:
            verdict.duplicated.append(f"Evaluation {evaluation} was published {times} times.")
    verdict.inconsistent += [f"Nobody saw evaluation {number} published." for number in scored - published.keys()]
    criteria = defaultdict(list)
    for number, key in CriterionScore.objects.values_list("evaluation", "key"):
        criteria[number].append(key)
    wanted = sorted(criterion.key for criterion in registry.get(1).rubric.criteria)
    for number in scored | criteria.keys():
        if sorted(criteria[number]) != (wanted if number in scored else []):
            verdict.duplicated.append(f"Evaluation {number} has points for {sorted(criteria[number])}.")
    stray = EvaluationEvidence.objects.exclude(evaluation__state=State.SCORED).count()
    if stray:
        verdict.inconsistent.append(f"{stray} pieces of evidence belong to runs without a result.")


def _check_results(verdict: Verdict) -> None:
    counted = sum(HourlyActivity.objects.values_list("submissions", flat=True))
    if counted != verdict.published:
        verdict.inconsistent.append(f"The hours count {counted} submissions, and {verdict.published} have a result.")
    before = _rows(MilestoneResult), _rows(HourlyActivity)
    results.rebuild()
    after = _rows(MilestoneResult), _rows(HourlyActivity)
    for name, kept, computed in zip(("result", "hour"), before, after, strict=True):
        for place in sorted(kept.keys() | computed.keys()):
            if kept.get(place) != computed.get(place):
                verdict.inconsistent.append(
                    f"The {name} of {place} is not what is computed from scratch: {kept.get(place)}, {computed.get(place)}."
                )


def _rows(model: type[MilestoneResult] | type[HourlyActivity]) -> dict[tuple, dict[str, Any]]:
    where = ("enrollment_id", "course_milestone_id") if model is MilestoneResult else ("course_milestone_id", "hour")
    left_out = {"id", "updated_at"}
    return {
        tuple(str(row[name]) for name in where): {name: row[name] for name in row.keys() - left_out}
        for row in model.objects.values()
    }
