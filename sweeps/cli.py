"""The command line: `polystilts plan|run|sync|status|report|select|export STUDY`, and `polystilts score` for folders of predictions."""

import errno
import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from sweeps.brakes import limits
from sweeps.cluster_files import ClusterFileError, check_cluster_file
from sweeps.collect import collect, parse_size, verify
from sweeps.cost import StudyCost
from sweeps.device_rates import DeviceName
from sweeps.disk import StudyDisk
from sweeps.export import export_study
from sweeps.home import Home, StudyIsRunningError
from sweeps.report.benchmark import terminal_scores
from sweeps.report.choices import terminal_choices
from sweeps.report.data_use import summary
from sweeps.report.terminal import terminal_matrix
from sweeps.report.write import Report
from sweeps.results import StudyResult
from sweeps.run import Opened, count, open_store_of, open_study, report_study, retries_of, run_study, status_study, sync_study
from sweeps.score import ScoreError, score_folders
from sweeps.study import StudyError
from sweeps.submit import Places, Spending, SubmitError, submit_study
from sweeps.tracking import tracking_uri
from trainables.catalogue import CatalogueError
from trainables.language_sets import SetName
from trainables.scratch import collect_scratch

EXIT_STAGE_FAILED = 1
EXIT_WRONG_INPUT = 2
EXIT_PAUSED = 3

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="Which English intermediate task makes zero-shot cross-lingual transfer better, and what does it cost?",
)

cache = typer.Typer(no_args_is_help=True, help="Looks after a store: verify its bytes, or delete what it can do without.")
app.add_typer(cache, name="cache")

StudyPath = Annotated[Path, typer.Argument(metavar="STUDY", help="The study file (YAML).")]
HomeOption = Annotated[Path, typer.Option("--home", envvar="POLYSTILTS_HOME", help="Folder for the store, MLflow and the reports.")]
StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        envvar="POLYSTILTS_STORE",
        help="Folder or URI (s3://..., gs://...) of a store that machines share; in --home by default.",
    ),
]
DataOption = Annotated[Path | None, typer.Option("--data", help="Folder of published data files, instead of the hub.")]
MaxHoursOption = Annotated[float | None, typer.Option("--max-hours", min=0, help="Device-hours, after which the study pauses.")]
MaxCostOption = Annotated[float | None, typer.Option("--max-cost", min=0, help="As --max-hours, in money; needs --prices.")]
PricesOption = Annotated[Path | None, typer.Option("--prices", help="YAML: price of an hour by part of a device's name, `H100: 3.5`.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
DEFAULT_HOME = Path("runs")


@app.command()
def plan(
    study: StudyPath,
    home: HomeOption = DEFAULT_HOME,
    data: DataOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
    device: Annotated[DeviceName | None, typer.Option("--device", help="What device time is estimated for.")] = None,
) -> None:
    """Shows what a study would run, what the store has of it, what sharing saves, and what it will cost."""
    with _user_errors():
        opened = open_study(study, home, data, store, needs_files=False)
        counts = count(opened, device)
    if as_json:
        _print_json({"study": opened.study.name, **counts.model_dump()})
        return
    saved = counts.trainings_without_sharing - counts.trainings
    print(f"{opened.study.name}: {counts.stages} stages at most, {counts.cached} in the store, {counts.to_run} to run at most")
    print(f"{counts.searches} searches; {counts.trainings} trainings at most; sharing encoders saves {saved}")
    if counts.cost is not None and counts.disk is not None:
        _print_cost(counts.cost, counts.disk)
    for absent in counts.absent:
        print(f"absent: {absent}")
    for leak in counts.leaks:
        print(f"leak: {leak}")
    for oracle in counts.oracles:
        print(f"oracle: {oracle}")
    for note in counts.notes:
        print(f"note: {note}")
    print(f"next: polystilts run {_words(study, home, data, store)}")


@app.command()
def run(
    study: StudyPath,
    home: HomeOption = DEFAULT_HOME,
    data: DataOption = None,
    store: StoreOption = None,
    max_hours: MaxHoursOption = None,
    max_cost: MaxCostOption = None,
    prices: PricesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Runs a study, or what is left of it, and writes its report."""
    console = Console(stderr=as_json)
    with _user_errors():
        opened = open_study(study, home, data, store)
        ran = run_study(opened, console, limits(max_hours, max_cost, prices))
    report = opened.home.report(opened.study.name)
    if as_json:
        counted = {
            "study": opened.study.name,
            "trained": ran.num_trained,
            "failures": dict(ran.failures),
            "paused": ran.paused,
            "answer": ran.report.answer.paragraph,
            "lost": summary(ran.result),
            "computed_again": retries_of(opened).count(),
            "waiting_for_mlflow": ran.num_waiting,
        }
        _print_json({**counted, "report": str(report / "report.html")})
    else:
        if ran.num_trained == 0 and not ran.failures:
            console.print("Nothing to train: every stage of this study is in the store.")
        _print_report(console, ran.report)
        _print_lost(console, ran.result)
        for note in retries_of(opened).notes():
            console.print(note, soft_wrap=True, highlight=False, markup=False)
        _print_where(console, opened, study, home, data, store)
    if ran.num_waiting:
        uri = tracking_uri(opened.home.root)
        again = f"polystilts sync {_words(study, home, data, store)}"
        print(f"polystilts: MLflow at {uri} could not be told all; when it answers: {again}", file=sys.stderr)
    if ran.failures:
        Console(stderr=True).print(f"{len(ran.failures)} stages failed; their tracebacks are in {opened.home.root / 'logs'}")
        raise typer.Exit(EXIT_STAGE_FAILED)
    if ran.paused is not None:
        print(f"polystilts: paused: {ran.paused}; the same command goes on", file=sys.stderr)
        raise typer.Exit(EXIT_PAUSED)


@app.command()
def sync(
    study: StudyPath, home: HomeOption = DEFAULT_HOME, data: DataOption = None, store: StoreOption = None, as_json: JsonOption = False
) -> None:
    """Tells MLflow all that the store has of a study, as often as you like: what is there already stays as it is."""
    with _user_errors():
        opened = open_study(study, home, data, store)
        synced = sync_study(opened)
    if as_json:
        _print_json({"study": opened.study.name, **synced._asdict()})
    elif not synced.num_waiting:
        print(f"{opened.study.name}: MLflow at {synced.uri} has the {synced.num_stages} stages that are in the store")
        print(f"next: {_mlflow(synced.uri)}")
    if synced.num_waiting:
        print(f"polystilts: MLflow at {synced.uri} could not be told all; when it answers, give the same command again", file=sys.stderr)
        raise typer.Exit(EXIT_STAGE_FAILED)


@app.command()
def status(
    study: StudyPath, home: HomeOption = DEFAULT_HOME, data: DataOption = None, store: StoreOption = None, as_json: JsonOption = False
) -> None:
    """Shows how far a study is, cell by cell."""
    with _user_errors():
        found = status_study(open_study(study, home, data, store))
    if as_json:
        _print_json(found.model_dump())
        return
    print(f"{found.study}: {found.state}; {found.cells_finished} of {found.cells} cells, {found.cached} of at most {found.stages} stages")
    for cell in found.unfinished:
        print(f"  unfinished: {cell}")
    print(f"next: polystilts {'report' if found.state == 'finished' else 'run'} {_words(study, home, data, store)}")


@app.command()
def report(
    study: StudyPath, home: HomeOption = DEFAULT_HOME, data: DataOption = None, store: StoreOption = None, as_json: JsonOption = False
) -> None:
    """Writes the report of what the store has, whether or not the study is finished."""
    console = Console(stderr=as_json)
    with _user_errors():
        opened = open_study(study, home, data, store)
        result, written = report_study(opened)
    if as_json:
        page = opened.home.report(opened.study.name) / "report.html"
        _print_json({"study": opened.study.name, "answer": written.answer.paragraph, "lost": summary(result), "report": str(page)})
        return
    _print_report(console, written)
    _print_lost(console, result)
    _print_where(console, opened, study, home, data, store)


@app.command()
def select(
    study: StudyPath,
    budget: Annotated[str, typer.Option("--budget", help="Share of what the whole study would cost, such as 25%.")],
    home: HomeOption = DEFAULT_HOME,
    data: DataOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Chooses the best intermediate of every target without the whole grid."""
    from sweeps.select_study import parse_budget, select_study  # imports scipy, which other verbs do without

    console = Console(stderr=as_json)
    with _user_errors():
        share = parse_budget(budget)
        found = select_study(open_study(study, home, data, store), share, console)
    if as_json:
        _print_json(found.model_dump())
    else:
        console.print(terminal_choices(found))
        print(f"{found.spent:.1%} of the full cost; {found.num_computed} stages were computed now")
        for note in found.notes:
            print(f"note: {note}")
        words = _words(study, home, data, store)
        print(f"next: polystilts run {words}  # the whole study; what it shares with the choice is not computed again")
    if found.failures:
        raise typer.Exit(EXIT_STAGE_FAILED)


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
    with _user_errors():
        opened = open_study(study, home, data, store)
        written = export_study(opened, out, labels)
    folders = [str(folder) for folder in written.folders]
    labels_of = {benchmark: str(folder) for benchmark, folder in written.labels.items()}
    if as_json:
        counted = {"study": opened.study.name, "folders": folders, "files": written.num_files, "labels": labels_of}
        said = {"left_out": list(written.left_out), "notes": list(written.notes), "marks": list(written.marks)}
        _print_json({**counted, "benchmarks": list(written.benchmarks), **said})
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
def score(
    predictions: Annotated[Path, typer.Option("--predictions", help="Folder of <task>/test-<language>.tsv|json|jsonl.")],
    labels: Annotated[Path, typer.Option("--labels", help="Folder of the same layout with the gold labels.")],
    benchmark: Annotated[SetName, typer.Option("--benchmark", help="Which tasks and languages the means are over.")],
    as_json: JsonOption = False,
) -> None:
    """Scores predictions in XTREME's layout as XTREME's own script does."""
    with _user_errors():
        found = score_folders(predictions, labels, benchmark)
    if as_json:
        _print_json(found.as_json())
        return
    Console().print(terminal_scores(found))


@app.command()
def submit(
    study: StudyPath,
    address: Annotated[str, typer.Option("--address", help="URL of the cluster's dashboard, such as http://127.0.0.1:8265.")],
    home: Annotated[str, typer.Option("--home", help="On the cluster's machines: folder for the cache, MLflow and the reports.")],
    store: Annotated[str | None, typer.Option("--store", help="As for run: where all machines of the cluster reach it.")] = None,
    data: Annotated[str | None, typer.Option("--data", help="On the cluster's machines: folder of published data files.")] = None,
    max_hours: MaxHoursOption = None,
    max_cost: MaxCostOption = None,
    prices: PricesOption = None,
    waits: Annotated[bool, typer.Option("--wait/--no-wait", help="Whether to follow the study to its end.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Runs a study on a Ray cluster, or joins it if it runs there already."""
    out = sys.stderr if as_json else sys.stdout

    def write(text: str) -> None:
        print(text, end="", flush=True, file=out)

    with _user_errors():
        submitted = submit_study(study, address, Places(home, store, data), Spending(max_hours, max_cost, prices), waits=waits, write=write)
    if as_json:
        _print_json(submitted._asdict())
    if submitted.exit_code:
        raise typer.Exit(submitted.exit_code)


@app.command()
def check_cluster(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of Ray's launcher, KubeRay or SkyPilot.")],
) -> None:
    """Checks cluster files offline: Ray's schema, versions, authentication, secrets, what listens where."""
    is_sound = True
    for path in files:
        try:
            problems, blanks = check_cluster_file(path)
        except ClusterFileError as error:
            problems, blanks = (str(error),), ()
        for line in problems:
            print(f"polystilts: {line}", file=sys.stderr)
        for line in blanks:
            print(line)
        if not problems:
            print(f"{path}: is sound")
        is_sound = is_sound and not problems
    if not is_sound:
        raise typer.Exit(EXIT_WRONG_INPUT)


def main() -> None:
    """The console script."""
    app()


@cache.command(name="verify")
def cache_verify(home: HomeOption = DEFAULT_HOME, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Reads every byte of a store, and sets aside the stages whose files are not as they were published."""
    with _user_errors():
        found = list(verify(open_store_of(Home(home, store))))
    if as_json:
        _print_json({"damaged": found})
    else:
        for line in found:
            print(line)
        print(f"{len(found)} stages were damaged" if found else "every byte is as published")
    if found:
        raise typer.Exit(EXIT_STAGE_FAILED)


@cache.command(name="gc")
def cache_gc(
    home: HomeOption = DEFAULT_HOME,
    store: StoreOption = None,
    keep: Annotated[
        str | None, typer.Option("--keep", help="A quota such as 500G: files of finished stages go until the rest fits.")
    ] = None,
    is_dry: Annotated[bool, typer.Option("--dry-run", help="Delete nothing, only count.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Deletes what died half-way and, with --keep, files that can be computed again; numbers stay."""
    with _user_errors():
        found = collect(open_store_of(Home(home, store)), None if keep is None else parse_size(keep), is_dry=is_dry)
        scratch = collect_scratch(is_dry=is_dry)
    if as_json:
        _print_json({**found.model_dump(), "scratch_bytes": scratch})
        return
    print(f"{'would free' if is_dry else 'freed'} {(found.freed_bytes + scratch) / 1e9:.3f} GB:")
    print(f"  {found.abandoned_bytes / 1e9:.3f} of attempts that died, {found.progress_bytes / 1e9:.3f} of checkpoints of finished stages")
    print(f"  {found.quota_bytes / 1e9:.3f} of the files of {len(found.stages)} stages, which are computed again when they are needed")
    print(f"  {scratch / 1e9:.3f} of temporary files on this machine whose processes died")
    print(f"left: {found.kept_bytes / 1e9:.3f} GB of files of stages")


@contextmanager
def _user_errors() -> Iterator[None]:
    """The user's mistakes are lines on standard error and exit code 2, never a traceback."""
    try:
        yield
    except (StudyError, StudyIsRunningError, ScoreError, SubmitError, CatalogueError) as error:
        # An id in a message may hold characters at which splitlines cuts.
        for line in str(error).split("\n"):
            print(f"polystilts: {line}", file=sys.stderr)
        raise typer.Exit(EXIT_WRONG_INPUT) from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        print(f"polystilts: {error.filename or 'the disk'}: {error.strerror}; free some and give the same command again", file=sys.stderr)
        raise typer.Exit(EXIT_STAGE_FAILED) from None


def _print_report(console: Console, written: Report) -> None:
    console.print(Text(written.answer.paragraph, style="bold"))
    console.print(terminal_matrix(written.cells))


def _print_lost(console: Console, result: StudyResult) -> None:
    """What data sets dropped and what was cut, a line each; the languages and reasons are in the report."""
    for line in summary(result):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _print_where(console: Console, opened: Opened, study: Path, home: Path, data: Path | None, store: str | None) -> None:
    folder = opened.home.report(opened.study.name)
    console.print(f"report:  {folder / 'report.html'}", soft_wrap=True, highlight=False)
    console.print(f"table:   {folder / 'results.parquet'}", soft_wrap=True, highlight=False)
    console.print(f"MLflow:  {_mlflow(tracking_uri(opened.home.root))}", soft_wrap=True, highlight=False)
    console.print(
        f"next:    change or add a task in {study}, then polystilts run {_words(study, home, data, store)}", soft_wrap=True, highlight=False
    )


def _mlflow(uri: str) -> str:
    """How to look at what MLflow has."""
    return uri if uri.startswith("http") else f"mlflow ui --backend-store-uri {uri}"


def _print_cost(cost: StudyCost, disk: StudyDisk) -> None:
    """Upper bounds, and what they do not rest on."""
    flops = f"{cost.training_flops:.2g} operations of training and {cost.evaluation_flops:.2g} of evaluation"
    flops += f", {cost.benchmark_flops:.2g} of benchmarks" if cost.benchmark_flops else ""
    print(f"time: at most {_figure(cost.device_hours)} device-hours {cost.rate}; {flops}")
    store = f"{_figure(disk.store_peak_gb)} GB of store while it runs and {_figure(disk.store_end_gb)} GB in the end"
    at_once = f"{disk.num_at_once} stage{'s' if disk.num_at_once > 1 else ''} at once"
    print(f"disk: at most {store}, with {at_once}; beside it {_figure(disk.machine_gb)} GB on each machine")
    for unknown in cost.unknown:
        print(f"unknown: {unknown}")


def _figure(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def _words(study: Path, home: Path, data: Path | None, store: str | None) -> str:
    words = [str(study)]
    if home != DEFAULT_HOME and "POLYSTILTS_HOME" not in os.environ:
        words += ["--home", str(home)]
    if data is not None:
        words += ["--data", str(data)]
    if store is not None and "POLYSTILTS_STORE" not in os.environ:
        words += ["--store", store]
    return shlex.join(words)


def _print_json(content: dict[str, Any]) -> None:
    print(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
