"""Verbs that look at a study, a stage or this machine, and change nothing."""

import difflib
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from sweeps.cli.app import (
    DEFAULT_HOME,
    EXIT_STAGE_FAILED,
    DataOption,
    HomeOption,
    JsonOption,
    StoreOption,
    StudyPath,
    app,
    print_json,
    user_errors,
    words_of,
)
from sweeps.doctor import examine
from sweeps.home import Home
from sweeps.opened import open_store_of, open_study, ready_stages
from sweeps.run import check_data
from sweeps.study import StudyError
from sweeps.study_diff import study_diff
from sweeps.study_schema import study_schema
from sweeps.why import Difference, Why, explain
from trainables.catalogue import listed
from trainables.stage_log import has_ended, log_path
from trainables.store import Store

_LOOK_EVERY_S = 1.0


def _stages(context: typer.Context, incomplete: str) -> list[str]:
    """Keys that begin so of stages that said something, for shells; of a store in a folder, for an object store would keep them waiting."""
    home = Home(Path(context.params.get("home") or DEFAULT_HOME), context.params.get("store"))
    return sorted(path.stem for path in Path(home.store).glob(log_path(f"{incomplete}*")))


_COLOURS = {"ok": "green", "note": "yellow", "problem": "red"}


@app.command()
def validate(study: StudyPath, home: HomeOption = DEFAULT_HOME, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Reads a study, with --data its data files too, and checks all that can be checked without a device; names every mistake, its place
    and what is allowed there."""
    with user_errors():
        opened = open_study(study, home, data, None, needs_files=False)
        if data is not None:
            check_data(opened)
    absent = list(opened.builder.data.absent)
    if as_json:
        print_json({"study": opened.study.name, "valid": True, "absent": absent})
        return
    print(f"{opened.study.name}: is a valid study")
    for each in absent:
        print(f"absent: {each}")
    print(f"next: polystilts plan {words_of(study, home, data, None)}")


@app.command()
def schema() -> None:
    """Prints the JSON Schema of a study file, by which editors complete and check it."""
    print(json.dumps(study_schema(), indent=1))


@app.command()
def why(
    what: Annotated[
        str,
        typer.Argument(
            metavar="STAGE|STUDY", help="A stage's key, or a study file: the stages that it would start now.", autocompletion=_stages
        ),
    ],
    home: HomeOption = DEFAULT_HOME,
    data: DataOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows why a stage is not in the store: the fields in which it differs from the nearest that is."""
    with user_errors():
        if Path(what).suffix in (".yaml", ".yml"):
            opened = open_study(Path(what), home, data, store, needs_files=False)
            found = {request.context.name: explain(request.key, request.spec.content(), opened.store) for request in ready_stages(opened)}
        else:
            found = {what: _of_key(what, open_store_of(Home(home, store)))}
    if as_json:
        print_json({name: each.model_dump() for name, each in found.items()})
        return
    if not found:
        print("nothing is left to start: every stage is in the store, failed, or waits for another")
    for names, each in _grouped(found):
        print(names[0] if len(names) == 1 else f"{names[0]}, and {len(names) - 1} more stages that differ likewise")
        for line in each.lines("  "):
            print(line)


def _of_key(key: str, store: Store) -> Why:
    manifest = store.manifest(key)
    if manifest is None:
        raise StudyError(f"{key!r} is no stage in {store.uri}; give a study file to see why its stages are not there")
    return explain(key, manifest.spec, store)


def _grouped(found: dict[str, Why]) -> list[tuple[list[str], Why]]:
    """Stages that differ in the same way from what is there, together."""
    groups: dict[tuple[Difference, ...], list[str]] = defaultdict(list)
    for name, each in found.items():
        groups[each.differences].append(name)
    return [(names, found[names[0]]) for names in groups.values()]


@app.command()
def logs(
    stage: Annotated[str, typer.Argument(metavar="STAGE", help="A stage's key, or the beginning of one.", autocompletion=_stages)],
    is_followed: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the stage has ended.")] = False,
    home: HomeOption = DEFAULT_HOME,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prints what a stage said: its progress, warnings, what libraries printed, and the traceback if it failed."""
    with user_errors():
        files = open_store_of(Home(home, store)).files
        key = _the_only(stage, [name.removesuffix(".txt") for name in files.names("logs")], files.uri)
        num_printed = 0
        while True:
            text = (files.read(log_path(key)) or b"").decode(errors="replace")
            if not as_json:
                print(text[num_printed:], end="", flush=True)
            num_printed = len(text)
            if not is_followed or has_ended(text):
                break
            time.sleep(_LOOK_EVERY_S)
    if as_json:
        print_json({"stage": key, "ended": has_ended(text), "text": text})


def _the_only(beginning: str, names: Sequence[str], where: str) -> str:
    found = [name for name in names if name.startswith(beginning)]
    if beginning in found or len(found) == 1:
        return beginning if beginning in found else found[0]
    if found:
        raise StudyError(f"{beginning!r} is the beginning of {len(found)} stages: {listed(found)}; give more of it")
    near = difflib.get_close_matches(beginning, names, n=1)
    instead = f"; did you mean {near[0]!r}?" if near else "; a run names the keys of stages that fail, and its report those of all"
    raise StudyError(f"no stage in {where} has a log that begins with {beginning!r}{instead}")


@app.command()
def diff(
    here: Annotated[Path, typer.Argument(metavar="STUDY")],
    there: Annotated[Path, typer.Argument(metavar="OTHER")],
    home: HomeOption = DEFAULT_HOME,
    data: DataOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows in what two studies differ, which stages they share, and how their scores compare."""
    with user_errors():
        found = study_diff(*(open_study(path, home, data, store, needs_files=False) for path in (here, there)))
    if as_json:
        print_json(found.model_dump())
        return
    shared = f"{found.num_common} of {found.num_stages} stages that pairs share are the same"
    print(f"{here} and {there}: {len(found.fields)} fields differ; {shared}")
    for each in found.fields:
        print(f"  {each.field}: {each.here} | {each.there}")
    for cell in found.cells:
        print(f"  {cell.line()}")


@app.command()
def doctor(home: HomeOption = DEFAULT_HOME, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Looks whether this machine, the store, MLflow, Ray and the hub are fit for a sweep."""
    console, found = Console(), []
    for finding in examine(Home(home, store)):
        found.append(finding)
        if not as_json:
            console.print(Text(f"{finding.state:8}", style=_COLOURS[finding.state]) + f"{finding.what}: {finding.text}", soft_wrap=True)
    is_fit = all(finding.state != "problem" for finding in found)
    if as_json:
        print_json({"fit": is_fit, "findings": [finding._asdict() for finding in found]})
    if not is_fit:
        raise typer.Exit(EXIT_STAGE_FAILED)
