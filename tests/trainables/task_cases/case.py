"""What a case of a task is, and the published formats that several tasks share."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from trainables.examples import Dropped, Example
from trainables.task import Split


class Case(NamedTuple):
    task: str
    split: Split
    language: str
    files: dict[str, str]
    """Path below the data folder to content."""
    expected: list[Example | Dropped]
    hub_rows: list[dict[str, Any]] | None = None
    """None where the hub's data set differs from this layout by design."""


def jsonl(*rows: Mapping[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def squad_json(context: str, *questions: Mapping[str, Any]) -> str:
    return json.dumps({"version": "1.1", "data": [{"title": "t", "paragraphs": [{"context": context, "qas": list(questions)}]}]})


def hub_squad(example_id: str, question: str, context: str, *answers: Mapping[str, Any]) -> dict[str, Any]:
    columns = {key: [answer[key] for answer in answers] for key in ("text", "answer_start")}
    return {"id": example_id, "title": "t", "context": context, "question": question, "answers": columns}


def each(languages: str, count: int) -> dict[str, int]:
    return dict.fromkeys(languages.split(), count)
