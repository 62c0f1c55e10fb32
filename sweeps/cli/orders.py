"""Verbs that tell the driver of a study what to do, wherever that runs; they need the store that it works on."""

import time
from pathlib import Path
from typing import Annotated

import typer

from sweeps.cli.app import (
    DEFAULT_HOME,
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
from sweeps.cli.study import run
from sweeps.opened import driver_of, open_study, orders_of
from sweeps.orders import MEANING, What
from sweeps.study import StudyError

_LOOK_EVERY_S = 0.5
WaitOption = Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait until it has ended.")]


@app.command()
def pause(
    study: StudyPath,
    home: HomeOption = DEFAULT_HOME,
    data: DataOption = None,
    store: StoreOption = None,
    wait_s: WaitOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Has a study that runs end soon: trainings under way keep a checkpoint first."""
    _order("pause", study, home, data, store, wait_s, as_json)


@app.command()
def stop(
    study: StudyPath,
    home: HomeOption = DEFAULT_HOME,
    data: DataOption = None,
    store: StoreOption = None,
    wait_s: WaitOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Has a study that runs start nothing more, and end when what is under way is done."""
    _order("stop", study, home, data, store, wait_s, as_json)


@app.command()
def cancel(
    study: StudyPath,
    home: HomeOption = DEFAULT_HOME,
    data: DataOption = None,
    store: StoreOption = None,
    wait_s: WaitOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Has a study that runs end at once; what is under way falls back to its last checkpoint."""
    _order("cancel", study, home, data, store, wait_s, as_json)


@app.command()
def resume(
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
    """Goes on with a study, as `run` does; one that still runs is told to forget an order that it has not obeyed."""
    with user_errors():
        opened = open_study(study, home, data, store, needs_files=False)
        holder = driver_of(opened)
        if holder is not None:
            was_there = orders_of(opened).withdraw()
            said = "the order is withdrawn" if was_there else "no order waits"
            if as_json:
                print_json({"study": opened.study.name, "driver": str(holder), "withdrawn": was_there})
            else:
                print(f"{opened.study.name}: {said}; {holder} goes on")
            return
    run(study, home, data, store, max_hours, max_cost, prices, webhook, as_json)


def _order(what: What, study: Path, home: Path, data: Path | None, store: str | None, wait_s: float, as_json: bool) -> None:
    with user_errors():
        opened = open_study(study, home, data, store, needs_files=False)
        holder = driver_of(opened)
        if holder is None:
            raise StudyError(f"study {opened.study.name!r} is not being run in {opened.store.uri}, so that there is nothing to {what}")
        orders_of(opened).give(what)
        until = time.monotonic() + wait_s
        while (has_ended := driver_of(opened) is None) is False and time.monotonic() < until:
            time.sleep(_LOOK_EVERY_S)
    if as_json:
        print_json({"study": opened.study.name, "order": what, "driver": str(holder), "ended": has_ended})
    else:
        print(f"{opened.study.name}: {holder} {'has ended' if has_ended else f'was told to {what}: {MEANING[what]}'}")
        print(f"next: polystilts {'resume' if has_ended else 'status'} {words_of(study, home, data, store)}")
    if wait_s and not has_ended:
        raise typer.Exit(EXIT_STAGE_FAILED)
