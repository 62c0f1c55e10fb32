"""Verbs for what others read: predictions in the layout of the benchmarks, searches as Optuna keeps them."""

import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sweeps.cli.app import DEFAULT_HOME, DataOption, HomeOption, JsonOption, StoreOption, StudyPath, app, print_json, user_errors
from sweeps.export import export_study
from sweeps.opened import open_study
from sweeps.report.benchmark import terminal_scores
from sweeps.score import score_folders
from trainables.language_sets import SetName


@app.command()
def export(
    study: StudyPath,
    out: Annotated[Path, typer.Option("--out", help="New folder for the predictions.")],
    labels: Annotated[Path | None, typer.Option("--labels", help="New folder for the gold labels of the same examples.")] = None,
    home: HomeOption = DEFAULT_HOME,
    data: DataOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Writes the predictions of a study's finished cells as XTREME and XTREME-R take them."""
    with user_errors():
        opened = open_study(study, home, data, store)
        written = export_study(opened, out, labels)
    folders = [str(folder) for folder in written.folders]
    labels_of = {benchmark: str(folder) for benchmark, folder in written.labels.items()}
    if as_json:
        counted = {"study": opened.study.name, "folders": folders, "files": written.num_files, "labels": labels_of}
        said = {"left_out": list(written.left_out), "notes": list(written.notes), "marks": list(written.marks)}
        print_json({**counted, "benchmarks": list(written.benchmarks), **said})
        return
    print(f"{opened.study.name}: {written.num_files} files in {len(folders)} folders")
    for line in (
        *folders,
        *(f"labels: {folder}" for folder in labels_of.values()),
        *(f"left out: {each}" for each in written.left_out),
        *(f"note: {each}" for each in written.notes),
        *written.marks,
    ):
        print(f"  {line}")
    for benchmark in written.benchmarks:
        gold = shlex.quote(labels_of[benchmark]) if labels_of else "LABELS"
        print(f"next: polystilts score --predictions {shlex.quote(folders[0])} --labels {gold} --benchmark {benchmark}")
    if not written.benchmarks:
        print("next: score the languages that the notes name, and export again: a benchmark takes a task in all of its languages")
    elif not labels_of:
        print("LABELS is a folder of gold labels; with --labels, export writes those of this study's data")


@app.command()
def export_optuna(
    study: StudyPath,
    storage: Annotated[str | None, typer.Option("--storage", help="URL; by default optuna.db beside the report.")] = None,
    home: HomeOption = DEFAULT_HOME,
    data: DataOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Writes a study's searches into a storage that optuna-dashboard opens; again adds nothing."""
    from sweeps.optuna_export import export_optuna as export_searches  # imports optuna's storages, which other verbs do without

    with user_errors():
        written = export_searches(open_study(study, home, data, store), storage)
    if as_json:
        print_json(written._asdict())
        return
    print(f"{written.num_trials} points of {written.num_studies} searches, {written.num_added} of them new")
    print(f"next: optuna-dashboard {shlex.quote(written.storage)}")


@app.command()
def score(
    predictions: Annotated[Path, typer.Option("--predictions", help="Folder of <task>/test-<language>.tsv|json|jsonl.")],
    labels: Annotated[Path, typer.Option("--labels", help="Folder of the same layout with the gold labels.")],
    benchmark: Annotated[SetName, typer.Option("--benchmark", help="Which tasks and languages the means are over.")],
    as_json: JsonOption = False,
) -> None:
    """Scores predictions in XTREME's layout as XTREME's own script does."""
    with user_errors():
        found = score_folders(predictions, labels, benchmark)
    if as_json:
        print_json(found.as_json())
        return
    Console().print(terminal_scores(found))
