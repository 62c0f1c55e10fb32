"""QQP's training set in other languages: translations of your own, as in X-STILTs (Phang et al. 2020; licence: Quora's terms).

No translation was published, the paper's neither. A file a language, in the format of QQP's own.
"""

from trainables.task import FileSource, Task
from trainables.tasks.qqp import LABELS, read_files
from trainables.tasks.text import LANGUAGES

TASK = Task(
    version=1,
    kind="classification",
    languages=tuple(language for language in LANGUAGES if language != "en"),
    labels=LABELS,
    metrics=("accuracy", "binary_f1"),
    translated_from="qqp",
    files=(FileSource(paths={"train": ("qqp_translated/train.{language}.tsv",)}, read=read_files),),
)
