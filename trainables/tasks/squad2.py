"""SQuAD 2.0: SQuAD 1.1 and questions that their paragraph does not answer (Rajpurkar et al. 2018; CC BY-SA 4.0)."""

from trainables.squad_format import hub_question, squad_questions
from trainables.task import FileSource, HubSource, Task

TASK = Task(
    version=1,
    kind="span_qa",
    languages=("en",),
    has_unanswerable=True,
    metrics=("best_f1", "best_exact_match", "f1", "exact_match"),
    hub=HubSource(
        path="rajpurkar/squad_v2",
        revision="3ffb306f725f7d2ce8394bc1873b24868140c412",
        config=None,
        splits={"train": "train", "dev": "validation"},
        read=hub_question,
    ),
    files=(
        FileSource(paths={"train": ("squad_v2.0/train-v2.0.json",), "dev": ("squad_v2.0/dev-v2.0.json",)}, read=squad_questions),
        FileSource(paths={"train": ("squad_v2.0/train-v2.0.first10articles.json",)}, read=squad_questions),
    ),
)
