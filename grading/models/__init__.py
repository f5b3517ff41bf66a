"""What is stored. One file per group of nouns; constraints are named as sentences."""

from grading.models.courses import Course, CourseMilestone, Enrollment, Extension, Invitation, Team, TeamMember
from grading.models.marking import (
    DeskAssignment,
    LineComment,
    RegradeRequest,
    RescoredEvaluation,
    Rescoring,
    SavedComment,
)
from grading.models.notices import Notification, NotificationChoice, Portfolio
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
    "DeskAssignment",
    "Enrollment",
    "Evaluation",
    "EvaluationEvidence",
    "Extension",
    "HourlyActivity",
    "Invitation",
    "LineComment",
    "MilestoneResult",
    "Notification",
    "NotificationChoice",
    "Override",
    "Person",
    "PolicyVersion",
    "Portfolio",
    "RegradeRequest",
    "Rerun",
    "RescoredEvaluation",
    "Rescoring",
    "Review",
    "RubricVersion",
    "SavedComment",
    "Submission",
    "Team",
    "TeamMember",
    "stored_file",
]
