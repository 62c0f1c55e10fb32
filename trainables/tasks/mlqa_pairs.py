"""MLQA's generalised transfer: the question in one language, the paragraph in another (Lewis et al. 2020; CC BY-SA 3.0).

A language code is `<context>-<question>`; answers are compared by the rules of the context's language, which is theirs.
"""

import itertools

from trainables.squad_format import squad_questions, stripped_hub_question
from trainables.task import FileSource, HubSource, Split, Task
from trainables.tasks.mlqa import LANGUAGES

PAIRS = tuple(itertools.permutations(LANGUAGES, 2))
SPLITS: tuple[Split, ...] = ("dev", "test")

TASK = Task(
    version=1,
    kind="span_qa",
    languages=tuple(f"{context}-{question}" for context, question in PAIRS),
    metrics=("mlqa_f1", "mlqa_exact_match"),
    train_on="squad1",
    hub=HubSource(
        path="google/xtreme",
        revision="ec5f1f46e9af79639a90684a7a70a956c4998f04",
        config="MLQA.{language}",
        codes={f"{context}-{question}": f"{context}.{question}" for context, question in PAIRS},
        splits={"dev": "validation", "test": "test"},
        read=stripped_hub_question,
    ),
    files=(
        FileSource(
            paths={split: (f"mlqa/MLQA_V1/{split}/{split}-context-{{language}}.json",) for split in SPLITS},
            codes={f"{context}-{question}": f"{context}-question-{question}" for context, question in PAIRS},
            read=squad_questions,
        ),
    ),
)
