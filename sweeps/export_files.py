"""The texts of a benchmark's files: a study's predictions, and the labels of the examples that they are of."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from sweeps.benchmarks import Content
from trainables.data import Examples
from trainables.examples import Choice, Passage, Question, Sentence, Text


class Row(NamedTuple):
    """A scored example."""

    id: str
    prediction: Any
    """As in `trainables.scoring.Prediction`."""


Writer = Callable[[Sequence[Row], Callable[[], Examples]], str]
"""From the rows of a language, and a way to read its examples, to the text of its file."""


def _labels(rows: Sequence[Row], _examples: object) -> str:
    return _lines(row.prediction for row in rows)


def _tags(rows: Sequence[Row], _examples: object) -> str:
    return _lines(line for row in rows for line in (*row.prediction, ""))


def _options(rows: Sequence[Row], _examples: object) -> str:
    return _option_lines(row.prediction for row in rows)


def _pairs(rows: Sequence[Row], _examples: object) -> str:
    return _lines(f"{row.id}\t{candidate}" for row in rows for candidate in row.prediction)


def _by_id(rows: Sequence[Row], _examples: object) -> str:
    return _json({row.id: row.prediction for row in rows})


def _line_numbers(rows: Sequence[Row], examples: Callable[[], Examples]) -> str:
    return _found_lines({row.id: row.prediction[0] for row in rows}, _passages(examples()))


WRITERS: Mapping[Content, Writer] = {
    "labels": _labels,
    "tags": _tags,
    "pairs": _pairs,
    "options": _options,
    "answers": _by_id,
    "rankings": _by_id,
    "line_numbers": _line_numbers,
}


def label_text(content: Content, examples: Examples) -> str:
    """The labels of all examples of a task and a language, as `score` reads them; every example has one."""
    found: Sequence[Any] = examples.examples
    match content:
        case "labels":
            return _lines(example.label for example in cast(Sequence[Text], found))
        case "tags":
            return _lines(line for example in cast(Sequence[Sentence], found) for line in (*(example.tags or ()), ""))
        case "options":
            return _option_lines(example.label for example in cast(Sequence[Choice], found))
        case "answers":
            questions = [
                {"id": question.id, "answers": [{"text": answer.text} for answer in question.answers]}
                for question in cast(Sequence[Question], found)
            ]
            return _json({"data": [{"paragraphs": [{"qas": questions}]}]})
        case "pairs":
            return _lines(f"{query.id}\t{candidate}" for query in _queries(examples) for candidate in query.relevant)
        case "rankings":
            return _json({query.id: query.relevant for query in _queries(examples)})
        case "line_numbers":
            return _found_lines({query.id: query.relevant[0] for query in _queries(examples)}, _passages(examples))


def _passages(examples: Examples) -> list[Passage]:
    return [example for example in examples.examples if isinstance(example, Passage)]


def _queries(examples: Examples) -> list[Passage]:
    return [passage for passage in _passages(examples) if passage.side == "query"]


def _found_lines(found: Mapping[str, str], passages: Sequence[Passage]) -> str:
    """The line in the candidates' file, from 0, of what each query has found, queries in the order of their texts.

    XTREME sorts the English file of each pair and leaves the other as it is (utils_preprocess.py, `tatoeba_preprocess`).
    """
    queries = sorted((passage for passage in passages if passage.side == "query"), key=lambda query: query.text)
    candidates = (passage.id for passage in passages if passage.side == "candidate")
    line_of = {candidate: number for number, candidate in enumerate(candidates)}
    return _lines(str(line_of[found[query.id]]) for query in queries)


def _option_lines(options: Iterable[object]) -> str:
    """Numbered from 0, as XCOPA's files are."""
    return _lines(json.dumps({"idx": number, "label": option}) for number, option in enumerate(options))


def _json(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, indent=0) + "\n"


def _lines(lines: Iterable[object]) -> str:
    return "".join(f"{line}\n" for line in lines)
