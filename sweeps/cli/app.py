"""The application that every verb registers with, and what verbs share: options, errors, exit codes, what to type next."""

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

from sweeps.home import StudyIsRunningError
from sweeps.score import ScoreError
from sweeps.study import StudyError
from sweeps.submit import SubmitError
from trainables.catalogue import CatalogueError

EXIT_STAGE_FAILED = 1
EXIT_WRONG_INPUT = 2
EXIT_PAUSED = 3

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="Which English intermediate task makes zero-shot cross-lingual transfer better, and what does it cost?",
)

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
DataOption = Annotated[
    Path | None, typer.Option("--data", envvar="POLYSTILTS_DATA", help="Folder of published data files, instead of the hub.")
]
MaxHoursOption = Annotated[float | None, typer.Option("--max-hours", min=0, help="Device-hours, after which the study pauses.")]
MaxCostOption = Annotated[float | None, typer.Option("--max-cost", min=0, help="As --max-hours, in money; needs --prices.")]
PricesOption = Annotated[Path | None, typer.Option("--prices", help="YAML: price of an hour by part of a device's name, `H100: 3.5`.")]
WebhookOption = Annotated[
    str | None,
    typer.Option("--webhook", metavar="URL", help="Is told of the end, the first failure, 80% of a limit; or set POLYSTILTS_WEBHOOK."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
DEFAULT_HOME = Path("runs")


@contextmanager
def user_errors() -> Iterator[None]:
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


def words_of(study: Path, home: Path, data: Path | None, store: str | None) -> str:
    words = [str(study)]
    if home != DEFAULT_HOME and "POLYSTILTS_HOME" not in os.environ:
        words += ["--home", str(home)]
    if data is not None and "POLYSTILTS_DATA" not in os.environ:
        words += ["--data", str(data)]
    if store is not None and "POLYSTILTS_STORE" not in os.environ:
        words += ["--store", store]
    return shlex.join(words)


def print_json(content: dict[str, Any]) -> None:
    print(json.dumps(content, indent=1))
