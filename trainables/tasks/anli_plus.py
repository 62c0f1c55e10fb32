"""ANLI+: SNLI, MultiNLI and ANLI as one task with one head, as in X-STILTs (Phang et al. 2020); the licences are its parts'."""

from trainables.formats import NLI_LABELS
from trainables.task import Task

TASK = Task(
    version=1,
    kind="classification",
    languages=("en",),
    labels=NLI_LABELS,
    text_fields=("premise", "hypothesis"),
    metrics=("accuracy",),
    parts=("snli", "mnli", "anli"),
)
