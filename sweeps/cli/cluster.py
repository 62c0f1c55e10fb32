"""Verbs for clusters."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from sweeps.cli.app import (
    EXIT_WRONG_INPUT,
    JsonOption,
    MaxCostOption,
    MaxHoursOption,
    PricesOption,
    StudyPath,
    app,
    print_json,
    user_errors,
)
from sweeps.cluster_files import ClusterFileError, check_cluster_file
from sweeps.submit import Places, Spending, submit_study


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

    with user_errors():
        submitted = submit_study(study, address, Places(home, store, data), Spending(max_hours, max_cost, prices), waits=waits, write=write)
    if as_json:
        print_json(submitted._asdict())
    if submitted.exit_code:
        raise typer.Exit(submitted.exit_code)


@app.command()
def check_cluster(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of Ray's launcher, KubeRay or SkyPilot.")],
    as_json: JsonOption = False,
) -> None:
    """Checks cluster files offline: Ray's schema, versions, authentication, secrets, what listens where."""
    found = {}
    for path in files:
        try:
            problems, blanks = check_cluster_file(path)
        except ClusterFileError as error:
            problems, blanks = (str(error),), ()
        found[str(path)] = {"problems": [*map(str, problems)], "blanks": [*map(str, blanks)]}
        for line in problems:
            print(f"polystilts: {line}", file=sys.stderr)
        for line in () if as_json else blanks:
            print(line)
        if not problems and not as_json:
            print(f"{path}: is sound")
    is_sound = not any(each["problems"] for each in found.values())
    if as_json:
        print_json({"sound": is_sound, "files": found})
    if not is_sound:
        raise typer.Exit(EXIT_WRONG_INPUT)
