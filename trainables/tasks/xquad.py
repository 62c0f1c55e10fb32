"""XQuAD: 1,190 questions of SQuAD 1.1's dev set, translated, parallel by id (Artetxe et al. 2020; CC BY-SA 4.0).

XTREME has eleven of the languages; Romanian was published later, and XTREME-R has it.
"""

from trainables.squad_format import squad_questions, stripped_hub_question
from trainables.task import FileSource, HubSource, Task

TASK = Task(
    version=1,
    kind="span_qa",
    languages=("ar", "de", "el", "en", "es", "hi", "ro", "ru", "th", "tr", "vi", "zh"),
    metrics=("f1", "exact_match"),
    train_on="squad1",
    hub=HubSource(
        path="google/xtreme",
        revision="ec5f1f46e9af79639a90684a7a70a956c4998f04",
        config="XQuAD.{language}",
        splits={"test": "validation"},
        read=stripped_hub_question,
        languages=("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh"),
    ),
    more_hubs=(
        HubSource(
            path="google/xquad",
            revision="51adfef1c1287aab1d2d91b5bead9bcfb9c68583",
            config="xquad.{language}",
            splits={"test": "validation"},
            read=stripped_hub_question,
            languages=("ro",),
        ),
    ),
    files=(FileSource(paths={"test": ("xquad/xquad.{language}.json",)}, read=squad_questions),),
)
