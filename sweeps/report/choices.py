"""What a selection chose, as tables for the terminal."""

from rich.console import Group
from rich.table import Table
from rich.text import Text

from sweeps.report.wording import signed
from sweeps.selected import Choice, Ranked, Selection


def terminal_choices(found: Selection) -> Group:
    """A table a target, the best intermediate first, and the problems of models that have no choices."""
    problems = [Text(f"failed: {name}: {error}") for name, error in found.failures.items()]
    return Group(*(_table(choice) for choice in found.choices), *problems)


def _table(choice: Choice) -> Table:
    table = Table(title=Text(f"{choice.model} -> {choice.target}: {choice.chosen}"), title_justify="left")
    table.add_column("intermediate", overflow="fold")
    for heading in ("gain in points", "95% interval", "is the best"):
        table.add_column(heading, justify="right")
    for place, ranked in enumerate(choice.ranking):
        table.add_row(*_row(ranked), style="bold" if place == 0 else "")
    return table


def _row(ranked: Ranked) -> tuple[str, str, str, str]:
    interval = f"{signed(ranked.low / 100)} to {signed(ranked.high / 100)}" if ranked.high > ranked.low else ""
    return ranked.intermediate, signed(ranked.gain / 100), interval, f"{ranked.is_best:.0%}"
