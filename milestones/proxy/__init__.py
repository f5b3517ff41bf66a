"""The student's framework as the grader sees it: typed questions that travel to the sandbox, and nothing else.

Every question raises only ``StudentSide`` (the student's code is missing, stubbed, crashed, too slow …) or
``OurTrouble``. What comes back is a plain array of a size the grader allowed; whether it is right, checks decide.
"""

from milestones.proxy.components import ComponentQuestions
from milestones.proxy.connection import LoadReport, one_line
from milestones.proxy.deployment import DeploymentQuestions, SavedModel
from milestones.proxy.language import LanguageQuestions
from milestones.proxy.models import ModelFacts, ModelQuestions
from milestones.proxy.performance import PerformanceQuestions
from milestones.proxy.training import Checkpoint, LossAnswer, TrainerAnswer, TrainingQuestions
from milestones.proxy.vision import VisionQuestions

__all__ = [
    "Checkpoint",
    "LoadReport",
    "LossAnswer",
    "ModelFacts",
    "SavedModel",
    "Student",
    "TrainerAnswer",
    "one_line",
]


class Student(
    ComponentQuestions,
    ModelQuestions,
    TrainingQuestions,
    VisionQuestions,
    PerformanceQuestions,
    DeploymentQuestions,
    LanguageQuestions,
):
    """All questions to one sandbox, one class for each subject."""
