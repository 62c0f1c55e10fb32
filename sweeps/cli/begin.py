"""The verb that begins a study."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from sweeps.cli.app import JsonOption, app, print_json, user_errors
from sweeps.new_study import STARTS, new_study, write_new_study
from sweeps.study import StudyError

Names = Annotated[str | None, typer.Option(help="Names, separated by commas; asked for if left out.")]


@app.command()
def init(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The study file to write.")] = Path("study.yaml"),
    model: Annotated[str | None, typer.Option(help=f"{', '.join(STARTS)}; asked for if left out.")] = None,
    intermediates: Names = None,
    targets: Names = None,
    as_json: JsonOption = False,
) -> None:
    """Writes a first study, with comments, from three answers."""
    with user_errors():
        if path.suffix not in (".yaml", ".yml"):
            raise StudyError(f"{path}: a study file's name ends in .yaml")
        if path.exists():  # before somebody answers questions for nothing
            raise StudyError(f"{path}: File exists; give another name")
        model = model or _ask(f"Which encoder ({', '.join(STARTS)})", next(iter(STARTS)))
        start = STARTS.get(model, next(iter(STARTS.values())))
        trained_first = (
            intermediates if intermediates is not None else _ask("Intermediate tasks to compare", ", ".join(start.intermediates))
        )
        scored = targets if targets is not None else _ask("Target tasks to transfer to", ", ".join(start.targets))
        write_new_study(path, new_study(path.stem, model, _names(trained_first), _names(scored), _num_gpus()))
    if as_json:
        print_json({"study": path.stem, "path": str(path)})
        return
    print(f"{path}: a study of {model}")
    print(f"next: polystilts plan {path}")


def _ask(question: str, default: str) -> str:
    """The default where nobody can answer."""
    return str(typer.prompt(question, default, err=True)) if sys.stdin.isatty() else default


def _names(answer: str) -> list[str]:
    return [name for name in answer.replace(",", " ").split() if name]


def _num_gpus() -> int:
    """As the driver's device files say, for torch takes seconds to import."""
    return len(list(Path("/dev").glob("nvidia[0-9]*")))
