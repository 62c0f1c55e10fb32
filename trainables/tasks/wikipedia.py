"""Wikipedia in XTREME's forty languages, for masked-language modelling (CC BY-SA 3.0 and GFDL).

An article is an example: what `max_length` cuts off is not seen. Of the hub's dump of November 2023 the first 20,000 articles of
each language are taken, for a whole edition does not fit in memory. In a folder, WikiExtractor's output (`--json`,
https://github.com/attardi/wikiextractor) of any dump is read whole. Neither the hub's copy nor a dump was at hand.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainables.examples import Dropped, Entries, Line
from trainables.formats import jsonl_rows, member
from trainables.task import FileSource, HubSource, Task
from trainables.tasks.text import LANGUAGES


def read_row(row: Mapping[str, Any], _language: str, _number: int) -> Line | Dropped:
    return make_line(row["id"], row["text"])


def read_files(paths: Sequence[Path], _language: str) -> Entries:
    for path in paths:
        for where, row in jsonl_rows(path):
            yield make_line(member(row, "id", str, where), member(row, "text", str, where))


def make_line(article_id: str, text: str) -> Line | Dropped:
    return Line(article_id, text.strip(), None) if text.strip() else Dropped(article_id, "no text")


TASK = Task(
    version=1,
    kind="mlm",
    languages=LANGUAGES,
    metrics=("accuracy",),
    hub=HubSource(
        path="wikimedia/wikipedia",
        revision="b04c8d1ceb2f5cd4588862100d08de323dccfbaa",
        config="20231101.{language}",
        splits={"train": "train[:20000]"},
        read=read_row,
    ),
    files=(FileSource(paths={"train": ("wikipedia/{language}/*/wiki_*",)}, read=read_files),),
)
