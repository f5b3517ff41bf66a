"""What is stored. One file per group of nouns; constraints are named as sentences."""

from grading.models.courses import Course, CourseMilestone, Enrollment
from grading.models.people import Person
from grading.models.scores import (
    AuditEvent,
    BenchmarkDecision,
    CriterionScore,
    HourlyActivity,
    MilestoneResult,
    Override,
    PolicyVersion,
    Review,
    RubricVersion,
)
from grading.models.submissions import Evaluation, EvaluationEvidence, Rerun, Submission, stored_file

__all__ = [
    "AuditEvent",
    "BenchmarkDecision",
    "Course",
    "CourseMilestone",
    "CriterionScore",
    "Enrollment",
    "Evaluation",
    "EvaluationEvidence",
    "HourlyActivity",
    "MilestoneResult",
    "Override",
    "Person",
    "PolicyVersion",
    "Rerun",
    "Review",
    "RubricVersion",
    "Submission",
    "stored_file",
]
