"""SQuAD 1.1's training set in XQuAD's ten other languages, by machine (Hu et al. 2020; CC BY-SA 4.0).

XTREME found the answers again in the translated paragraphs, and not all of them: a question whose answer is not where the file says is
dropped and counted. Paths are those of XTREME's storage (gs://xtreme_translations); the files were not at hand. A copy on the hub,
juletxara/xquad_xtreme, needs a script and is not read.
"""

from trainables.squad_format import translated_squad_questions
from trainables.task import FileSource, Task

TASK = Task(
    version=1,
    kind="span_qa",
    languages=("ar", "de", "el", "es", "hi", "ru", "th", "tr", "vi", "zh"),
    metrics=("f1", "exact_match"),
    translated_from="squad1",
    files=(
        FileSource(
            paths={"train": ("xtreme_translations/SQuAD/translate-train/squad.translate.train.en-{language}.json",)},
            read=translated_squad_questions,
        ),
    ),
)
