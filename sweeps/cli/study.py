"""Verbs that take a study from its plan to its report."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from sweeps.brakes import limits
from sweeps.cli.app import (
    DEFAULT_HOME,
    EXIT_PAUSED,
    EXIT_STAGE_FAILED,
    DataOption,
    HomeOption,
    JsonOption,
    MaxCostOption,
    MaxHoursOption,
    PricesOption,
    StoreOption,
    StudyPath,
    WebhookOption,
    app,
    print_json,
    user_errors,
    words_of,
)
from sweeps.cost import StudyCost
from sweeps.device_rates import DeviceName
from sweeps.disk import StudyDisk
from sweeps.estimate import Status, count, status_study
from sweeps.opened import Opened, open_study, retries_of
from sweeps.report.choices import terminal_choices
from sweeps.report.data_use import summary
from sweeps.report.terminal import terminal_matrix
from sweeps.report.write import Report
from sweeps.results import StudyResult
from sweeps.run import report_study, run_study, sync_study
from sweeps.tracking import tracking_uri

_WATCH_EVERY_S = 2.0


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
    with user_errors():
        opened = open_study(study, home, data, store, needs_files=False)
        counts = count(opened, device)
    if as_json:
        print_json({"study": opened.study.name, **counts.model_dump()})
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
    print(f"next: polystilts run {words_of(study, home, data, store)}")


@app.command()
def run(
    study: StudyPath,
    home: HomeOption = DEFAULT_HOME,
    data: DataOption = None,
    store: StoreOption = None,
    max_hours: MaxHoursOption = None,
    max_cost: MaxCostOption = None,
    prices: PricesOption = None,
    webhook: WebhookOption = None,
    as_json: JsonOption = False,
) -> None:
    """Runs a study, or what is left of it, and writes its report."""
    console = Console(stderr=as_json)
    with user_errors():
        opened = open_study(study, home, data, store)
        ran = run_study(opened, console, limits(max_hours, max_cost, prices), webhook)
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
        print_json({**counted, "report": str(report / "report.html")})
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
        again = f"polystilts sync {words_of(study, home, data, store)}"
        print(f"polystilts: MLflow at {uri} could not be told all; when it answers: {again}", file=sys.stderr)
    if ran.failures:
        print(f"polystilts: {len(ran.failures)} stages failed; `polystilts logs STAGE` prints what one said", file=sys.stderr)
        raise typer.Exit(EXIT_STAGE_FAILED)
    if ran.paused is not None:
        print(f"polystilts: paused: {ran.paused}; the same command goes on", file=sys.stderr)
        raise typer.Exit(EXIT_PAUSED)


@app.command()
def sync(
    study: StudyPath, home: HomeOption = DEFAULT_HOME, data: DataOption = None, store: StoreOption = None, as_json: JsonOption = False
) -> None:
    """Tells MLflow all that the store has of a study, as often as you like: what is there already stays as it is."""
    with user_errors():
        opened = open_study(study, home, data, store)
        synced = sync_study(opened)
    if as_json:
        print_json({"study": opened.study.name, **synced._asdict()})
    elif not synced.num_waiting:
        print(f"{opened.study.name}: MLflow at {synced.uri} has the {synced.num_stages} stages that are in the store")
        for problem in synced.unregistered:
            print(problem)
        print(f"next: {_mlflow(synced.uri)}")
    if synced.num_waiting:
        print(f"polystilts: MLflow at {synced.uri} could not be told all; when it answers, give the same command again", file=sys.stderr)
        raise typer.Exit(EXIT_STAGE_FAILED)


@app.command()
def status(
    study: StudyPath,
    home: HomeOption = DEFAULT_HOME,
    data: DataOption = None,
    store: StoreOption = None,
    is_watched: Annotated[bool, typer.Option("--watch", help="Go on for as long as somebody runs it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Shows how far a study is, cell by cell."""
    with user_errors():
        opened = open_study(study, home, data, store)
        found = _watch(opened, Console(stderr=as_json)) if is_watched else status_study(opened)
    if as_json:
        print_json(found.model_dump())
        return
    print("\n".join(_status_lines(found)))
    next_verb = {"finished": "report", "running": "status --watch", "unfinished": "run"}[found.state]
    print(f"next: polystilts {next_verb} {words_of(study, home, data, store)}")


def _watch(opened: Opened, console: Console) -> Status:
    """Shows each change until nobody runs the study; on a terminal in place, else a line each."""
    last = None
    with Live(console=console, transient=True, auto_refresh=False) as live:
        while True:
            began_s = time.monotonic()
            found = status_study(opened)
            if found.state != "running":
                return found
            if console.is_terminal:
                live.update(Text("\n".join(_status_lines(found))), refresh=True)
            elif found != last:
                console.print(_status_lines(found)[0], soft_wrap=True, highlight=False, markup=False)
            last = found
            # of a large study a look takes seconds, which should not keep a machine busy
            time.sleep(max(_WATCH_EVERY_S, 5 * (time.monotonic() - began_s)))


def _status_lines(found: Status) -> list[str]:
    """How far it is; then each cell that has no result yet."""
    head = f"{found.study}: {found.state}; {found.cells_finished} of {found.cells} cells, {found.cached} of at most {found.stages} stages"
    return [head, *(f"  unfinished: {cell}" for cell in found.unfinished)]


@app.command()
def report(
    study: StudyPath, home: HomeOption = DEFAULT_HOME, data: DataOption = None, store: StoreOption = None, as_json: JsonOption = False
) -> None:
    """Writes the report of what the store has, whether or not the study is finished."""
    console = Console(stderr=as_json)
    with user_errors():
        opened = open_study(study, home, data, store)
        result, written = report_study(opened)
    if as_json:
        page = opened.home.report(opened.study.name) / "report.html"
        print_json({"study": opened.study.name, "answer": written.answer.paragraph, "lost": summary(result), "report": str(page)})
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
    with user_errors():
        share = parse_budget(budget)
        found = select_study(open_study(study, home, data, store), share, console)
    if as_json:
        print_json(found.model_dump())
    else:
        console.print(terminal_choices(found))
        print(f"{found.spent:.1%} of the full cost; {found.num_computed} stages were computed now")
        for note in found.notes:
            print(f"note: {note}")
        words = words_of(study, home, data, store)
        print(f"next: polystilts run {words}  # the whole study; what it shares with the choice is not computed again")
    if found.failures:
        raise typer.Exit(EXIT_STAGE_FAILED)


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
        f"next:    change or add a task in {study}, then polystilts run {words_of(study, home, data, store)}",
        soft_wrap=True,
        highlight=False,
    )


def _mlflow(uri: str) -> str:
    """How to look at what MLflow has."""
    return uri if uri.startswith("http") else f"mlflow ui --backend-store-uri {uri}"


def _print_cost(cost: StudyCost, disk: StudyDisk) -> None:
    """Upper bounds, and what they do not rest on."""
    flops = f"{cost.training_flops:.2g} operations of training and {cost.evaluation_flops:.2g} of evaluation"
    flops += f", {cost.benchmark_flops:.2g} of benchmarks" if cost.benchmark_flops else ""
    likely = "" if cost.expected_device_hours is None else f"about {_figure(cost.expected_device_hours)} device-hours, "
    print(f"time: {likely}at most {_figure(cost.device_hours)} device-hours {cost.rate}; {flops}")
    store = f"{_figure(disk.store_peak_gb)} GB of store while it runs and {_figure(disk.store_end_gb)} GB in the end"
    at_once = f"{disk.num_at_once} stage{'s' if disk.num_at_once > 1 else ''} at once"
    print(f"disk: at most {store}, with {at_once}; beside it {_figure(disk.machine_gb)} GB on each machine")
    for unknown in cost.unknown:
        print(f"unknown: {unknown}")


def _figure(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"
