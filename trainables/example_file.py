"""Examples in a Parquet file: a column for each field of their record, a row for each."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from trainables.examples import Answer, Choice, Example, Question, Sentence, Text
from trainables.places import reading

FILE = "made.parquet"

_TEXT, _TEXTS = pa.string(), pa.list_(pa.string())
_COLUMNS: dict[type[Example], dict[str, pa.DataType]] = {
    Text: {"id": _TEXT, "text": _TEXT, "pair": _TEXT, "label": _TEXT},
    Sentence: {"id": _TEXT, "words": _TEXTS, "tags": _TEXTS},
    Question: {
        "id": _TEXT,
        "question": _TEXT,
        "context": _TEXT,
        "answers": pa.list_(pa.struct({"text": _TEXT, "start": pa.int64()})),
    },
    Choice: {"id": _TEXT, "prompt": _TEXT, "options": _TEXTS, "label": pa.int64()},
}


def write_examples(examples: Sequence[Example], path: Path) -> None:
    """Examples of one kind, at least one, in their order."""
    record = type(examples[0])
    schema = pa.schema(list(_COLUMNS[record].items()), metadata={"record": record.__name__})
    rows = [_row(example) for example in examples]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)


def read_example_file(path: Path) -> Iterator[Example]:
    """The examples of a file that `write_examples` wrote."""
    file = pq.ParquetFile(path)
    record = {each.__name__: each for each in _COLUMNS}[file.schema_arrow.metadata[b"record"].decode()]
    number = 0
    for batch in file.iter_batches(batch_size=4096):
        for row in batch.to_pylist():
            number += 1
            reading(f"{path}, row {number}")
            yield _example(record, row)


def _row(example: Example) -> dict[str, object]:
    row: dict[str, object] = dict(example._asdict())
    if isinstance(example, Question):
        row["answers"] = [answer._asdict() for answer in example.answers]
    return row


def _example(record: type[Example], row: dict[str, object]) -> Example:
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
    if record is Question:
        fields["answers"] = tuple(Answer(**answer) for answer in fields["answers"])  # type: ignore[attr-defined]
    return record(**fields)  # type: ignore[arg-type]
