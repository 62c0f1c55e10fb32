"""Writes a finished study's predictions in the layout of XTREME: a folder a model, intermediate and seed, as a benchmark takes it."""

import functools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from sweeps.benchmarks import LAYOUTS, Content, file_name
from sweeps.marks import mark_lines
from sweeps.results import Evaluation, PairId, PairResult
from sweeps.run import Opened, walk_store
from sweeps.study import StudyError
from trainables.data import Examples, load_examples
from trainables.examples import Passage
from trainables.language_sets import LANGUAGE_SETS
from trainables.specs import DataSpec, EvaluateSpec
from trainables.store import CorruptArtifactError, Store


class Exported(NamedTuple):
    """What was written, and what was not."""

    folders: tuple[Path, ...]
    """Each holds `<task>/test-<language>.<suffix>`."""
    num_files: int
    left_out: tuple[str, ...]
    """Cells and targets, with the reason."""
    notes: tuple[str, ...]
    """What keeps a benchmark from taking what was written."""
    marks: tuple[str, ...]
    """What a reader of the scores has to know: leaks, and a choice by an oracle."""


class Row(NamedTuple):
    """A scored example."""

    id: str
    prediction: Any
    """As in `trainables.scoring.Prediction`."""


def export_study(opened: Opened, out: Path) -> Exported:
    """Writes `<model>/<intermediate>/seed-<seed>/<task>/test-<language>.<suffix>` for every finished cell of a benchmark's task.

    A StudyError if `out` is not empty, or if there is nothing to write. What a search trained and lost is not written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise StudyError(f"--out {out}: it is there and not empty; name a new folder")
    pairs = [program.result() for program in walk_store(opened)[0].programs]
    files: list[Path] = []
    left_out: list[str] = []
    notes: list[str] = []
    marks: dict[PairId, tuple[str, ...]] = {}
    for found in pairs:
        reason = _why_not(found)
        if reason is None:
            try:
                files += _write_cell(opened, found, _seeds_of_row(found.pair, pairs), out)
                notes += _notes(found)
                marks[found.pair] = found.marks
            except (FileNotFoundError, CorruptArtifactError) as error:
                reason = f"{found.pair}: its predictions cannot be read: {error}"
        left_out += [] if reason is None else [reason]
    if not files:
        raise StudyError("\n".join([f"{opened.study.name}: nothing to export", *dict.fromkeys(left_out)]))
    folders = tuple(dict.fromkeys(path.parents[1] for path in files))
    return Exported(folders, len(files), tuple(dict.fromkeys(left_out)), tuple(dict.fromkeys(notes)), mark_lines(marks))


def _why_not(found: PairResult) -> str | None:
    """Why a cell cannot be written, if it cannot."""
    target = found.pair.target
    if target not in LAYOUTS:
        return f"{target}: no task of {' or '.join(LANGUAGE_SETS)}"
    if not found.evaluations:
        return f"{found.pair}: {found.problem or 'not finished'}"
    split = _data(found.evaluations[0])[0].split
    if split != "test":
        return f"{target}: scored on {split}, not on the whole test set"
    return None


def _write_cell(opened: Opened, found: PairResult, seeds: Sequence[int], out: Path) -> list[Path]:
    """Returns what it wrote. An evaluation that is the only one of a cell without trainings is of an encoder, and stands for all seeds."""
    serves_all = len(found.evaluations) == 1 and not found.trials
    written = []
    for evaluation in found.evaluations:
        texts = evaluation_files(evaluation, opened.store, opened.data)
        for seed in seeds if serves_all else (evaluation.seed,):
            folder = _row_folder(out, found.pair) / f"seed-{seed}" / found.pair.target
            folder.mkdir(parents=True, exist_ok=True)
            for name, text in texts.items():
                (folder / name).write_text(text, encoding="utf-8", newline="\n")
                written.append(folder / name)
    return written


def evaluation_files(evaluation: Evaluation, store: Store, data_folder: Path | None) -> dict[str, str]:
    """The text of each file of an evaluation, by file name; its examples are in the order of the data set."""
    rows: dict[str, list[Row]] = {}
    table = pq.read_table(store.fetch(evaluation.manifest.key) / "examples.parquet", columns=["language", "example_id", "prediction"])
    for row in table.to_pylist():
        rows.setdefault(row["language"], []).append(Row(row["example_id"], json.loads(row["prediction"])))
    texts = {}
    for data in _data(evaluation):
        examples = functools.partial(load_examples, data, data_folder)
        texts[file_name(data.task, data.language)] = WRITERS[LAYOUTS[data.task].content](rows[data.language], examples)
    return texts


Writer = Callable[[Sequence[Row], Callable[[], Examples]], str]
"""From the rows of a language, and a way to read its examples, to the text of its file."""


def _labels(rows: Sequence[Row], _examples: object) -> str:
    return _lines(row.prediction for row in rows)


def _tags(rows: Sequence[Row], _examples: object) -> str:
    return _lines(line for row in rows for line in (*row.prediction, ""))


def _options(rows: Sequence[Row], _examples: object) -> str:
    return _lines(json.dumps({"idx": row.id, "label": row.prediction}) for row in rows)


def _pairs(rows: Sequence[Row], _examples: object) -> str:
    return _lines(f"{row.id}\t{candidate}" for row in rows for candidate in row.prediction)


def _by_id(rows: Sequence[Row], _examples: object) -> str:
    return json.dumps({row.id: row.prediction for row in rows}, ensure_ascii=False, indent=0) + "\n"


def _line_numbers(rows: Sequence[Row], examples: Callable[[], Examples]) -> str:
    """The line of the best candidate in the candidates' file, from 0, for each query in the order of its text.

    XTREME sorts the English file of each pair and leaves the other as it is (utils_preprocess.py, `tatoeba_preprocess`).
    """
    passages = [example for example in examples().examples if isinstance(example, Passage)]
    texts = {passage.id: passage.text for passage in passages if passage.side == "query"}
    candidates = [passage.id for passage in passages if passage.side == "candidate"]
    line_of = {candidate: number for number, candidate in enumerate(candidates)}
    return _lines(str(line_of[row.prediction[0]]) for row in sorted(rows, key=lambda row: texts[row.id]))


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


WRITERS: Mapping[Content, Writer] = {
    "labels": _labels,
    "tags": _tags,
    "pairs": _pairs,
    "options": _options,
    "answers": _by_id,
    "rankings": _by_id,
    "line_numbers": _line_numbers,
}


def _data(evaluation: Evaluation) -> tuple[DataSpec, ...]:
    """What an evaluation scored, a language each."""
    return EvaluateSpec.model_validate(evaluation.manifest.spec).data


def _seeds_of_row(pair: PairId, pairs: Sequence[PairResult]) -> tuple[int, ...]:
    """The seeds of all targets of a model, intermediate and variant."""
    row = (found for found in pairs if found.pair._replace(target="") == pair._replace(target=""))
    return tuple(dict.fromkeys(evaluation.seed for found in row for evaluation in found.evaluations))


def _row_folder(out: Path, pair: PairId) -> Path:
    folder = out / pair.model / pair.intermediate
    return folder if pair.variant == "base" else folder / pair.variant


def _notes(found: PairResult) -> list[str]:
    """Languages without which no benchmark can be scored on a target, and examples that have no line in its files."""
    target, evaluation = found.pair.target, found.evaluations[0]
    languages = {data.language for data in _data(evaluation)}
    lacking = {
        benchmark: [language for language in one.languages[target] if language not in languages]
        for benchmark, one in LANGUAGE_SETS.items()
        if target in one.languages
    }
    nearest = min(lacking, key=lambda benchmark: len(lacking[benchmark]))
    notes = [f"{target}: {nearest} is also scored in {', '.join(lacking[nearest])}"] if lacking[nearest] else []
    dropped = [(use, reason) for use in evaluation.manifest.data if use.purpose == "test" for reason in use.dropped]
    return notes + [
        f"{use.task}/{use.language}: {reason}: {use.dropped[reason]} examples, which have no line in the file" for use, reason in dropped
    ]
