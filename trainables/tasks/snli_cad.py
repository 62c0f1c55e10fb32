"""Counterfactually augmented SNLI: pairs of SNLI and their rewrites into the other labels (Kaushik et al. 2020; Apache-2.0).

1,666 of SNLI's pairs and four human revisions of each. The data set was published as files alone.
"""

from collections.abc import Sequence
from pathlib import Path

from trainables.examples import Entries
from trainables.formats import NLI_LABELS, nli_pair, tsv_rows
from trainables.task import FileSource, Split, Task

COLUMNS = ("sentence1", "sentence2", "gold_label")
SPLITS: tuple[Split, ...] = ("train", "dev", "test")


def read_files(paths: Sequence[Path], _language: str) -> Entries:
    """Ids count the rows: the files have none."""
    for path in paths:
        for number, row in enumerate(tsv_rows(path, COLUMNS, header=True, quoted=True)):
            yield nli_pair(str(number), *(row[column] for column in COLUMNS))


TASK = Task(
    version=1,
    kind="classification",
    languages=("en",),
    labels=NLI_LABELS,
    text_fields=("premise", "hypothesis"),
    metrics=("accuracy",),
    files=(FileSource(paths={split: (f"snli_cad/NLI/all_combined/{split}.tsv",) for split in SPLITS}, read=read_files),),
)
