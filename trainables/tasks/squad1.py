"""SQuAD 1.1: the span of a Wikipedia paragraph that answers a question (Rajpurkar et al. 2016; CC BY-SA 4.0).

XQuAD translates 1,190 questions of the dev set: a run that is scored on XQuAD must not train on it.
"""

from trainables.squad_format import hub_question, squad_questions
from trainables.task import FileSource, HubSource, Task

TASK = Task(
    version=1,
    kind="span_qa",
    languages=("en",),
    metrics=("f1", "exact_match"),
    hub=HubSource(
        path="rajpurkar/squad",
        revision="7b6d24c440a36b6815f21b70d25016731768db1f",
        config=None,
        splits={"train": "train", "dev": "validation"},
        read=hub_question,
    ),
    files=(
        FileSource(paths={"train": ("squad_v1.1/train-v1.1.json",), "dev": ("squad_v1.1/dev-v1.1.json",)}, read=squad_questions),
        FileSource(paths={"dev": ("squad_v1.1/dev-v1.1.part1.json", "squad_v1.1/dev-v1.1.part2.json")}, read=squad_questions),
    ),
)
