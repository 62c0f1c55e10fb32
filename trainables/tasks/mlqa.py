"""MLQA: questions about Wikipedia paragraphs in seven languages, four of them parallel on average (Lewis et al. 2020; CC BY-SA 3.0).

Answers are compared by the rules of their language, unlike XQuAD's. XTREME's copy of the test set has no answers.
"""

from trainables.squad_format import squad_questions, stripped_hub_question
from trainables.task import FileSource, HubSource, Split, Task

LANGUAGES = ("ar", "de", "en", "es", "hi", "vi", "zh")
SPLITS: tuple[Split, ...] = ("dev", "test")

TASK = Task(
    version=1,
    kind="span_qa",
    languages=LANGUAGES,
    metrics=("mlqa_f1", "mlqa_exact_match"),
    train_on="squad1",
    hub=HubSource(
        path="google/xtreme",
        revision="ec5f1f46e9af79639a90684a7a70a956c4998f04",
        config="MLQA.{language}.{language}",
        splits={"dev": "validation", "test": "test"},
        read=stripped_hub_question,
    ),
    files=(
        FileSource(
            paths={split: (f"mlqa/MLQA_V1/{split}/{split}-context-{{language}}-question-{{language}}.json",) for split in SPLITS},
            read=squad_questions,
        ),
    ),
)
