"""Writes a finished study's predictions in the layout of XTREME: each folder is what a benchmark takes, of one model, variant and seed."""

import functools
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from sweeps.benchmarks import LAYOUTS, file_name
from sweeps.export_files import WRITERS, Row, label_text
from sweeps.export_folders import lacking, variant_folder, written_variants
from sweeps.marks import mark_lines
from sweeps.opened import Opened, walk_store
from sweeps.results import Evaluation, PairId, PairResult
from sweeps.study import StudyError
from trainables.data import load_examples
from trainables.language_sets import LANGUAGE_SETS
from trainables.specs import DataSpec, EvaluateSpec
from trainables.store import LostArtifactError, Store

Texts = Mapping[str, str]
"""The text of each file of a task, by file name."""


class Exported(NamedTuple):
    """What was written, and what was not."""

    folders: tuple[Path, ...]
    """Each holds `<task>/test-<language>.<suffix>`."""
    num_files: int
    """Of predictions."""
    benchmarks: tuple[str, ...]
    """Those of which a task is there in all languages, so that `score` takes it."""
    labels: Mapping[str, Path]
    """The folder of a benchmark's labels, by benchmark, where labels were asked for."""
    left_out: tuple[str, ...]
    """Cells and targets, with the reason."""
    notes: tuple[str, ...]
    """What keeps a benchmark from taking what was written."""
    marks: tuple[str, ...]
    """What a reader of the scores has to know: leaks, and a choice by an oracle."""


class Cell(NamedTuple):
    """The predictions of a pair."""

    found: PairResult
    texts: Mapping[int, Texts]
    """By seed."""
    serves_all: bool
    """Whether its only evaluation is of an encoder, which stands for all seeds."""


def export_study(opened: Opened, out: Path, labels: Path | None = None) -> Exported:
    """Writes `<model>/<intermediate>[/<variant>]/seed-<seed>/<task>/test-<language>.<suffix>` for the finished cells of benchmarks' tasks,
    and below `labels` the labels of the same examples, `<benchmark>/<task>/test-<language>.<suffix>`.

    A StudyError if a folder is not empty or cannot be written, or if there is nothing to write; nothing is left behind then. What a
    search trained and lost is not written.
    """
    new = {"--out": out} | ({} if labels is None else {"--labels": labels})
    for option, folder in new.items():
        _check_new(option, folder)
    if labels is not None and out.resolve() == labels.resolve():
        raise StudyError(f"--labels {labels}: predictions and labels are written into folders of their own; name another one")
    try:
        return _export(opened, out, labels)
    except (OSError, StudyError) as error:
        for folder in new.values():
            _empty(folder)
        if isinstance(error, OSError):
            raise StudyError(f"{error.filename or out}: {error.strerror or error}; nothing was exported") from None
        raise


def _check_new(option: str, folder: Path) -> None:
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise StudyError(f"{option} {folder}: it is there and not empty; name a new folder")
    except OSError as error:
        raise StudyError(f"{option} {folder}: {error.strerror}; name a new folder") from None


def _empty(folder: Path) -> None:
    """Takes back what was written into a folder that was new or empty."""
    for path in folder.iterdir() if folder.is_dir() else ():
        shutil.rmtree(path, ignore_errors=True)


def _export(opened: Opened, out: Path, labels: Path | None) -> Exported:
    pairs = [program.result() for program in walk_store(opened)[0].programs]
    left_out = {f"{found.pair.target}: {why}": None for found in pairs if (why := _no_target(opened, found.pair.target))}
    rows: dict[tuple[str, str], list[PairResult]] = {}
    for found in pairs:
        if _no_target(opened, found.pair.target) is None:
            rows.setdefault((found.pair.model, found.pair.intermediate), []).append(found)
    files: list[Path] = []
    written: dict[PairId, PairResult] = {}
    for row in rows.values():
        cells: dict[PairId, Cell] = {}
        for found in row:
            try:
                cells[found.pair] = _read_cell(opened, found)
            except ValueError as error:
                left_out[f"{found.pair}: {error}"] = None
        files += _write_row(out, row, cells)
        written |= {pair: cell.found for pair, cell in cells.items()}
        left_out |= dict.fromkeys(lacking([found.pair for found in row], cells))
    if not files:
        raise StudyError("\n".join([f"{opened.study.name}: nothing to export", *left_out]))
    data = {found.pair.target: _data(found.evaluations[0]) for found in written.values()}
    notes = dict.fromkeys(note for found in written.values() for note in _notes(found))
    return Exported(
        folders=tuple(dict.fromkeys(path.parents[1] for path in files)),
        num_files=len(files),
        benchmarks=tuple(benchmark for benchmark in LANGUAGE_SETS if _whole(benchmark, data)),
        labels=_write_labels(labels, data, opened.data) if labels is not None else {},
        left_out=tuple(left_out),
        notes=tuple(notes),
        marks=mark_lines({pair: found.marks for pair, found in written.items()}),
    )


def _no_target(opened: Opened, target: str) -> str | None:
    """Why a target is none that a benchmark takes, if it is none."""
    if target not in LAYOUTS:
        return f"no task of {' or '.join(LANGUAGE_SETS)}"
    split = opened.builder.data.scored(target)[0].split
    return None if split == "test" else f"scored on {split}, not on the whole test set"


def _read_cell(opened: Opened, found: PairResult) -> Cell:
    """A ValueError says why a cell cannot be written."""
    if not found.evaluations:
        raise ValueError(found.problem or "not finished")
    try:
        texts = {evaluation.seed: evaluation_files(evaluation, opened.store, opened.data) for evaluation in found.evaluations}
    except (OSError, ValueError, LostArtifactError) as error:
        raise ValueError(f"its predictions cannot be read: {error}") from error
    return Cell(found, texts, len(texts) == 1 and not found.trials)


def evaluation_files(evaluation: Evaluation, store: Store, data_folder: Path | None) -> Texts:
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


def _write_row(out: Path, row: Sequence[PairResult], cells: Mapping[PairId, Cell]) -> list[Path]:
    """Writes the folders of a model and an intermediate; returns their files."""
    seeds = dict.fromkeys(seed for cell in cells.values() for seed in cell.texts)
    files = []
    for variant, chosen in written_variants([found.pair for found in row], cells):
        for cell in (cells[pair] for pair in chosen.values() if pair in cells):
            for seed in seeds if cell.serves_all else cell.texts:
                texts = cell.texts[next(iter(cell.texts)) if cell.serves_all else seed]
                files += _write(variant_folder(out, row[0].pair, variant) / f"seed-{seed}" / cell.found.pair.target, texts)
    return files


def _write(folder: Path, texts: Texts) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return [folder / name for name in texts]


def _whole(benchmark: str, data: Mapping[str, Sequence[DataSpec]]) -> dict[str, list[DataSpec]]:
    """The tasks that are there in all of a benchmark's languages, with what they score in those."""
    whole = {}
    for task, languages in LANGUAGE_SETS[benchmark].languages.items():
        found = {one.language: one for one in data.get(task, ())}
        if set(languages) <= found.keys():
            whole[task] = [found[language] for language in languages]
    return whole


def _write_labels(labels: Path, data: Mapping[str, Sequence[DataSpec]], data_folder: Path | None) -> dict[str, Path]:
    """Writes the labels of every task that a benchmark can score; returns the benchmarks' folders."""
    folders = {}
    for benchmark in LANGUAGE_SETS:
        for task, scored in _whole(benchmark, data).items():
            folders[benchmark] = labels / benchmark
            for one in scored:
                try:
                    text = label_text(LAYOUTS[task].content, load_examples(one, data_folder))
                except ValueError as error:
                    raise StudyError(f"{task}/{one.language}: its labels cannot be read: {error}") from None
                _write(labels / benchmark / task, {file_name(task, one.language): text})
    return folders


def _data(evaluation: Evaluation) -> tuple[DataSpec, ...]:
    """What an evaluation scored, a language each."""
    return EvaluateSpec.model_validate(evaluation.manifest.spec).data


def _notes(found: PairResult) -> list[str]:
    """Languages without which no benchmark can be scored on a target, and examples that have no line in its files."""
    target, evaluation = found.pair.target, found.evaluations[0]
    languages = {data.language for data in _data(evaluation)}
    missing = {
        benchmark: [language for language in one.languages[target] if language not in languages]
        for benchmark, one in LANGUAGE_SETS.items()
        if target in one.languages
    }
    nearest = min(missing, key=lambda benchmark: len(missing[benchmark]))
    notes = [f"{target}: {nearest} is also scored in {', '.join(missing[nearest])}"] if missing[nearest] else []
    dropped = [(use, reason) for use in evaluation.manifest.data if use.purpose == "test" for reason in use.dropped]
    return notes + [
        f"{use.task}/{use.language}: {reason}: {use.dropped[reason]} examples, which have no line in the file" for use, reason in dropped
    ]
