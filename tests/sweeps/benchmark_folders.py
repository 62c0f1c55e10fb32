"""Folders of labels and predictions in XTREME's layout, made to be hard, and the same on every machine.

All randomness is `Random.random()` seeded with a text, whose sequence Python promises to keep.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from sweeps.benchmarks import LAYOUTS, benchmark_tasks, file_name
from trainables.language_sets import LANGUAGE_SETS
from trainables.task import TASKS

Item = TypeVar("Item")

WORDS = {
    "en": "the The a an Rome 1,957 U.S. isn't co-op anthem -a AN",
    "es": "el La unas Habana ¿Qué? ¡sí! año lasaña los",
    "vi": "của là cái những Việt Nam mèo Đường",
    "de": "der Die eines Straße STRASSE «Rhein» „Wort“ dem",
    "ar": "القاهرة ال وال كتاب، ؟لماذا مصر ١٩٥٧ بالعالم",
    "hi": "राजधानी। की दिल्ली॥ भारत १९५७ क्या?",
    "zh": "北京 是首都， 在1990年 NBA联赛 《红楼梦》 。 𠀀",
    "th": "กรุงเทพ ที่ ไทย",
    "ko": "서울 특별시.",
    "ru": "Москва «Волга» — столица",
}
ANSWERS = {language: words.split() for language, words in WORDS.items()}


def pick(rng: Random, items: Sequence[Item]) -> Item:
    return items[int(rng.random() * len(items))]


def shuffled(rng: Random, items: Sequence[Item]) -> list[Item]:
    return [item for _, item in sorted((rng.random(), item) for item in items)]


def write_folders(root: Path, benchmark: str) -> tuple[Path, Path]:
    """All tasks of a benchmark in all languages; returns the folders of predictions and of labels."""
    predictions, labels = root / "predictions", root / "labels"
    for task in benchmark_tasks(benchmark):
        for language in LANGUAGE_SETS[benchmark].languages[task]:
            rng = Random(f"{benchmark}/{task}/{language}")
            said, right = CONTENTS[LAYOUTS[task].content](rng, task, language)
            for folder, text in ((predictions, said), (labels, right)):
                (folder / task).mkdir(parents=True, exist_ok=True)
                text = text.removesuffix("\n") if rng.random() < 0.2 else text
                (folder / task / file_name(task, language)).write_bytes(
                    (text.replace("\n", "\r\n") if rng.random() < 0.2 else text).encode()
                )
    return predictions, labels


def digest(root: Path) -> str:
    """Of the names and bytes of all files."""
    found = hashlib.sha256()
    for path in sorted(root.rglob("test-*")):
        found.update(f"{path.relative_to(root).as_posix()}\n".encode() + path.read_bytes())
    return found.hexdigest()


def lines(values: Sequence[object]) -> str:
    return "".join(f"{value}\n" for value in values)


def noisy(rng: Random, right: Sequence[Item], others: Sequence[Item], share: float = 0.6) -> list[Item]:
    return [one if rng.random() < share else pick(rng, others) for one in right]


def labels_of(rng: Random, task: str, _language: str) -> tuple[str, str]:
    allowed = TASKS.load(task).labels
    right = [pick(rng, allowed) for _ in range(5 + int(rng.random() * 6))]
    return lines(noisy(rng, right, allowed)), lines(right)


def tags_of(rng: Random, task: str, _language: str) -> tuple[str, str]:
    """Neighbours are often equal; some sentences are empty, but for the last, whose end of line may be missing."""
    allowed = TASKS.load(task).labels
    sides: tuple[list[str], list[str]] = ([], [])
    for shortest in (0, 0, 0, 1):
        right = [pick(rng, allowed) for _ in range(shortest + int(rng.random() * 8))]
        right = [right[max(index - 1, 0)] if rng.random() < 0.4 else tag for index, tag in enumerate(right)]
        for side, tags in zip(sides, (noisy(rng, right, allowed, 0.7), right), strict=True):
            side += [*tags, ""]
    return lines(sides[0]), lines(sides[1])


def pairs_of(rng: Random, _task: str, language: str) -> tuple[str, str]:
    """French has nothing right."""
    ids = [f"en-{number:09d}" for number in range(9)]
    right = [f"{language}-{number:09d}\t{one}" for number, one in enumerate(shuffled(rng, ids))]
    if language == "fr":
        return lines([f"{language}-{number:09d}\ten-1" for number in range(3)]), lines(right)
    return lines([one if rng.random() < 0.6 else f"{one}0" for one in right[: 5 + int(rng.random() * 4)]]), lines(right)


def line_numbers_of(rng: Random, _task: str, _language: str) -> tuple[str, str]:
    right = shuffled(rng, [str(number) for number in range(11)])
    return lines(noisy(rng, right, right)), lines(right)


def options_of(rng: Random, _task: str, _language: str) -> tuple[str, str]:
    right = [pick(rng, (0, 1)) for _ in range(9)]
    rows = ([{"idx": number, "label": label} for number, label in enumerate(side)] for side in (noisy(rng, right, (0, 1)), right))
    said, gold = (lines([json.dumps(row) for row in side]) for side in rows)
    return said, gold


def answers_of(rng: Random, task: str, language: str) -> tuple[str, str]:
    """One to three gold answers; about one question in eight is not answered."""

    def phrase() -> str:
        words = ANSWERS.get(language, ANSWERS["en"]) + ANSWERS[pick(rng, sorted(ANSWERS))]
        return " ".join(pick(rng, words) for _ in range(1 + int(rng.random() * 5)))

    def changed(text: str) -> str:
        whole = (
            f"the {text}",
            text.upper(),
            f"{text}.",
            text,
            text,
            text[1:],
            f"{text} {phrase()}",
            " ".join(text.split()[:-1]),
            phrase(),
            "",
        )
        return pick(rng, whole)

    said, questions = {}, []
    for number in range(9):
        answers = [phrase() for _ in range(1 + int(rng.random() * 3))]
        questions.append({"id": f"{task}-{number}", "question": "?", "answers": [{"text": text, "answer_start": 0} for text in answers]})
        if rng.random() < 0.88:
            said[f"{task}-{number}"] = changed(pick(rng, answers))
    articles = [{"title": "", "paragraphs": [{"context": "", "qas": part}]} for part in (questions[:4], questions[4:])]
    right: Any = articles if rng.random() < 0.3 else {"version": "1.0", "data": articles}
    return json.dumps(said, indent=1), json.dumps(right, ensure_ascii=rng.random() < 0.5)


def rankings_of(rng: Random, task: str, _language: str) -> tuple[str, str]:
    """25 candidates, of which the last five do not count; some are named twice, some queries not at all."""
    said, right = {}, {}
    for number in range(8):
        candidates = [f"Q{one}" for one in range(40)]
        ranked = shuffled(rng, candidates)[:25]
        num_right = 1 if task == "mewslix" else 1 + int(rng.random() * 24)
        right[str(number)] = [f" {pick(rng, ranked)} "] if task == "mewslix" else shuffled(rng, candidates)[:num_right]
        if rng.random() < 0.9:
            said[str(number)] = [*ranked[:2], *ranked] if rng.random() < 0.3 else ranked
    return json.dumps(said), json.dumps(right)


CONTENTS = {
    "labels": labels_of,
    "tags": tags_of,
    "pairs": pairs_of,
    "line_numbers": line_numbers_of,
    "options": options_of,
    "answers": answers_of,
    "rankings": rankings_of,
}
