"""Measurements have become points; here they become rows, all of them or none. And here people change points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.db import transaction

from grading import history, notifications, rubrics
from grading.models import (
    BenchmarkDecision,
    CriterionScore,
    Enrollment,
    Evaluation,
    EvaluationEvidence,
    Override,
    Person,
    Review,
)
from grading.pipeline import results, storable
from grading.pipeline.dispatch import Claim, ClaimLost, held, now
from milestones import contract
from milestones.rubric import Score, is_open_question, nothing_measured, open_questions, score


class InvalidMark(Exception):
    """A mark that cannot be given; the message is one sentence for the person who gave it."""


class MarkChanged(InvalidMark):
    """Somebody else marked the criterion since the page was opened: nothing is overwritten without having been seen."""

    def __init__(self, latest: Override) -> None:
        super().__init__(f"{latest.by} marked this meanwhile: {latest.points:g} points. Nothing was changed.")
        self.latest = latest


# --- what a run found out ---


def publish(
    claim: Claim,
    result: contract.Evaluation,
    *,
    phases: Sequence[tuple[str, float]] = (),
    benchmark_measurement: str = "",
    scored_by: rubrics.InForce | None = None,
) -> Evaluation:
    """Store ``result`` as the outcome of ``claim``: evaluation, evidence, criteria, the student's result and the hour.

    One transaction, conditional on the token: a worker whose claim was lost publishes nothing and gets
    :class:`ClaimLost`. ``benchmark_measurement`` names the measurement whose accuracy analytics show; ``scored_by`` is
    the rubric that the points were given by: where another one came into force during the run, they are given anew;
    ``phases`` says how long each took, in seconds.
    """
    with transaction.atomic():
        evaluation = held(claim).select_for_update(of=("self",)).select_related("submission__course_milestone").first()
        if evaluation is None:
            raise ClaimLost(f"evaluation {claim.evaluation_id} is not ours any more")
        submission = evaluation.submission
        if scored_by is not None:
            # The student first, as everywhere: whoever applies a rubric to a whole milestone locks in the same order.
            Enrollment.objects.select_for_update(no_key=True, of=("self",)).get(pk=submission.student_id)
            now_in_force = rubrics.held(submission.course_milestone_id)
            if now_in_force != scored_by:
                result = scored_anew(result, now_in_force)
            evaluation.rubric_version = rubrics.version_of(submission.course_milestone, now_in_force.toml)
        for name, value in _evaluation_values(result, benchmark_measurement).items():
            setattr(evaluation, name, value)
        evaluation.phases = storable.json_value(phases)
        waits = evaluation.rerun is not None and evaluation.rerun.preview_first
        evaluation.state = Evaluation.State.HELD_BACK if waits else Evaluation.State.SCORED
        evaluation.claim = evaluation.lease_until = None
        evaluation.finished_at = now()
        evaluation.save()
        EvaluationEvidence.objects.bulk_create(_evidence(evaluation, result.exhibits))
        CriterionScore.objects.bulk_create(_criterion_scores(evaluation, result.criteria))
        if not waits:
            _carry_marks_over(evaluation)
            results.count_activity(evaluation)
            results.recompute(submission.student, submission.course_milestone)
            notifications.result_ready(evaluation)
    return evaluation


def count(evaluation: Evaluation) -> None:
    """Let a run that was held back speak for its submission, with the marks that people gave. Results are the caller's."""
    evaluation.state = Evaluation.State.SCORED
    evaluation.save(update_fields=["state"])
    _carry_marks_over(evaluation)
    results.count_activity(evaluation)
    notifications.result_ready(evaluation)


def _evaluation_values(result: contract.Evaluation, benchmark_measurement: str) -> dict[str, Any]:
    headline = next((found for found in result.measurements if found.key == benchmark_measurement), None)
    accuracy = storable.json_value(headline.value) if headline is not None and headline.kind == "accuracy" else None
    return {
        "score": result.score,
        "maximum": result.maximum,
        "level": result.level.value,
        "benchmark_met": result.benchmark_met,
        "needs_human": [storable.text(what) for what in result.needs_human],
        "measurements": storable.json_value(result.measurements),
        "diagnoses": storable.json_value(result.diagnoses),
        "notes": storable.json_value(result.notes),
        "log": storable.text(result.log),
        "open_log": storable.text(result.open_log),
        "counts": storable.json_value(result.counts),
        "dataset": storable.text(result.dataset)[:200],
        "practice_data": result.practice_data,
        "evaluator_version": result.evaluator_version[:60],
        "cpu_seconds": result.resources.cpu_seconds,
        "wall_seconds": result.resources.wall_seconds,
        "peak_memory_bytes": result.resources.peak_memory_bytes,
        "limits": storable.text(result.resources.limits),
        "accuracy": accuracy,
        "accuracy_n": None if accuracy is None else headline.n,
        "accuracy_low": None if accuracy is None else storable.json_value(headline.low),
        "accuracy_high": None if accuracy is None else storable.json_value(headline.high),
    }


def _evidence(evaluation: Evaluation, exhibits: tuple[contract.Exhibit, ...]) -> list[EvaluationEvidence]:
    return [
        EvaluationEvidence(
            evaluation=evaluation,
            key=exhibit.key[:100],
            kind=exhibit.kind[:60],
            title=storable.text(exhibit.title)[:200],
            data=storable.json_value(exhibit.data),
            position=position,
        )
        for position, exhibit in enumerate(exhibits)
    ]


def _criterion_scores(evaluation: Evaluation, criteria: tuple[contract.CriterionResult, ...]) -> list[CriterionScore]:
    return [
        CriterionScore(
            evaluation=evaluation,
            key=criterion.key[:100],
            title=criterion.title[:200],
            points=criterion.points,
            maximum=criterion.maximum,
            level=criterion.level.value if criterion.level else "",
            explanation=storable.text(criterion.explanation),
            position=position,
        )
        for position, criterion in enumerate(criteria)
    ]


def scored_anew(result: contract.Evaluation, by: rubrics.InForce) -> contract.Evaluation:
    """``result`` with the points that another rubric gives for the same measurements."""
    scored = scored_by_rubric(by, result.measurements, unusable="; ".join(result.notes))
    flags = [reason for reason in result.needs_human if not is_open_question(reason)]
    return replace(
        result,
        score=scored.score,
        maximum=scored.maximum,
        level=scored.level,
        benchmark_met=scored.benchmark_met,
        needs_human=(*flags, *open_questions(scored)),
        criteria=scored.criteria,
    )


def scored_by_rubric(by: rubrics.InForce, measurements: Sequence[contract.Measurement], *, unusable: str) -> Score:
    """The points for ``measurements``; where there are none, 0 everywhere with the sentence ``unusable``."""
    scored = score(by.rubric, measurements, mark=by.mark)
    if measurements:
        return scored
    nothing = nothing_measured(by.rubric, unusable)
    return replace(scored, score=0.0, level=contract.Level.INSUFFICIENT, criteria=nothing)


def scaled(points: float, *, of: float, to: float) -> float:
    """A mark ``of`` one maximum as the same share of another."""
    return round(points * to / of, 6) if of else 0.0


def _carry_marks_over(evaluation: Evaluation) -> None:
    """Repeat people's latest marks on the new rows: running again must not lose what they decided about the file."""
    before = (
        evaluation.submission.evaluations.filter(state=Evaluation.State.SCORED)
        .exclude(pk=evaluation.pk)
        .order_by("-pk")
    ).first()
    if before is None:
        return
    new = {criterion.key: criterion for criterion in evaluation.criteria.all()}
    for criterion in before.criteria.prefetch_related("overrides"):
        mark = criterion.latest_override
        if mark is not None and criterion.key in new:
            successor = new[criterion.key]
            Override.objects.create(
                criterion_score=successor,
                points=scaled(mark.points, of=criterion.maximum, to=successor.maximum),
                reason=_carried(mark.reason, before),
                by_id=mark.by_id,
            )
    decision = before.benchmark_decisions.order_by("-pk").first()
    if decision is not None:
        BenchmarkDecision.objects.create(
            evaluation=evaluation, met=decision.met, reason=_carried(decision.reason, before), by_id=decision.by_id
        )
    review = before.reviews.order_by("-pk").first()
    if review is not None and set(evaluation.needs_human) <= set(before.needs_human):
        Review.objects.create(evaluation=evaluation, reason=_carried(review.reason, before), by_id=review.by_id)


def _carried(reason: str, before: Evaluation) -> str:
    suffix = f" (carried over from evaluation {before.pk})"
    return reason.split(" (carried over from evaluation ", maxsplit=1)[0] + suffix


# --- what a person says ---


def override(
    criterion_score: CriterionScore, *, points: float, reason: str, by: Person, seen: int | None = None
) -> Override:
    """Mark a criterion: ``points`` from 0 to its maximum, with a reason. Both values stay visible.

    ``seen`` is the id of the latest mark that ``by`` knows of, 0 for none; with another one in force this raises
    :class:`MarkChanged`. None does not ask. Whether ``by`` may do this is decided by ``access.can_override`` before. Raises
    :class:`InvalidMark`.
    """
    reason = storable.text(reason).strip()
    if not reason:
        raise InvalidMark("Give a reason: it stays beside the mark, and the student reads it.")
    # Written so that NaN is refused as well.
    if not 0 <= points <= criterion_score.maximum:
        raise InvalidMark(f"Points go from 0 to {criterion_score.maximum:g}.")
    with transaction.atomic():
        current = _locked_for_marking(criterion_score, seen=seen)
        return _mark(current, "override_score", points=points, reason=reason, by=by)


def undo_mark(criterion_score: CriterionScore, *, reason: str, by: Person, seen: int) -> Override:
    """Take the latest mark back: one more entry, with the points that were in force before it.

    A first mark where nothing was measured cannot be taken back, only changed: no points would be left to count. ``seen``
    is the mark to undo. Raises :class:`InvalidMark`, and :class:`MarkChanged` when another one is in force.
    """
    reason = storable.text(reason).strip()
    if not reason:
        raise InvalidMark("Give a reason: it stays beside the mark, and the student reads it.")
    with transaction.atomic():
        current = _locked_for_marking(criterion_score, seen=seen)
        marks = sorted(current.overrides.all(), key=lambda mark: mark.pk)
        if not marks:
            raise InvalidMark("Nobody has marked this yet; there is nothing to undo.")
        before = marks[-2].points if len(marks) > 1 else current.points
        if before is None:
            raise InvalidMark("Nothing was measured before this mark; change it instead of undoing it.")
        return _mark(current, "undo_mark", points=before, reason=reason, by=by)


def _locked_for_marking(criterion_score: CriterionScore, *, seen: int | None) -> CriterionScore:
    """The criterion as it is now, nobody else changing it. Call inside a transaction."""
    submission = criterion_score.evaluation.submission
    # The student's result is computed from this row: lock it first, so that "before" in the history is what was in force.
    type(submission.student).objects.select_for_update(no_key=True, of=("self",)).get(pk=submission.student_id)
    current = CriterionScore.objects.prefetch_related("overrides__by").get(pk=criterion_score.pk)
    current.evaluation = criterion_score.evaluation
    latest = current.latest_override
    if seen is not None and latest is not None and latest.pk != seen:
        raise MarkChanged(latest)
    if criterion_score.evaluation.state == Evaluation.State.HELD_BACK:
        raise InvalidMark("This run does not count; mark the one that does. Nothing was changed.")
    newer = submission.evaluations.filter(state=Evaluation.State.SCORED, pk__gt=current.evaluation_id)
    if newer.exists():
        raise InvalidMark("This file was measured again meanwhile; mark the newest run. Nothing was changed.")
    return current


def _mark(current: CriterionScore, what: str, *, points: float, reason: str, by: Person) -> Override:
    submission = current.evaluation.submission
    mark = Override.objects.create(criterion_score=current, points=points, reason=reason, by=by)
    history.record(
        what,
        target=f"criterion_score {current.pk}",
        by=by,
        course=current.evaluation.course_id,
        **history.concerning(submission),
        before={"points": current.effective_points},
        after={"points": points},
        reason=reason,
    )
    results.recompute(submission.student, submission.course_milestone)
    return mark


def decide_benchmark(evaluation: Evaluation, *, met: bool, reason: str, by: Person) -> BenchmarkDecision:
    """Say whether the benchmark is met, where the interval left it to a person or the measurement was wrong.

    Raises :class:`InvalidMark` without a reason or for an evaluation that has no result.
    """
    reason = storable.text(reason).strip()
    if not reason:
        raise InvalidMark("Give a reason: it stays beside the decision, and the student reads it.")
    if evaluation.state != Evaluation.State.SCORED:
        raise InvalidMark("This evaluation has no result to decide about.")
    submission = evaluation.submission
    with transaction.atomic():
        before = results.benchmark_of(evaluation)
        decision = BenchmarkDecision.objects.create(evaluation=evaluation, met=met, reason=reason, by=by)
        history.record(
            "decide_benchmark",
            target=f"evaluation {evaluation.pk}",
            by=by,
            course=evaluation.course_id,
            **history.concerning(evaluation.submission),
            before={"benchmark_met": before},
            after={"benchmark_met": met},
            reason=reason,
        )
        results.recompute(submission.student, submission.course_milestone)
    return decision


def review(evaluation: Evaluation, *, reason: str, by: Person) -> Review:
    """Say that a person has looked at what ``evaluation`` was flagged for, or at why it failed, and what they found.

    It changes no point; it only takes the run off the list of what waits for a person. Raises :class:`InvalidMark`.
    """
    reason = storable.text(reason).strip()
    if not reason:
        raise InvalidMark("Say what you found or did: it stays with this run.")
    if not evaluation.is_final or not evaluation.needs_human:
        raise InvalidMark("This run asks for nobody.")
    with transaction.atomic():
        found = Review.objects.create(evaluation=evaluation, reason=reason, by=by)
        history.record(
            "review_evaluation",
            target=f"evaluation {evaluation.pk}",
            by=by,
            course=evaluation.course_id,
            **history.concerning(evaluation.submission),
            before={"needs_human": evaluation.needs_human},
            reason=reason,
        )
    return found
