"""HellaSwag's training set in other languages: translations of your own, as in X-STILTs (Phang et al. 2020; MIT).

The paper's translation was not published. A file a language, in the format of HellaSwag's own.
"""

from trainables.task import FileSource, Task
from trainables.tasks.hellaswag import read_files
from trainables.tasks.text import LANGUAGES

TASK = Task(
    version=1,
    kind="multiple_choice",
    num_options=4,
    languages=tuple(language for language in LANGUAGES if language != "en"),
    metrics=("accuracy",),
    translated_from="hellaswag",
    files=(FileSource(paths={"train": ("hellaswag_translated/hellaswag_train.{language}.jsonl",)}, read=read_files),),
)
