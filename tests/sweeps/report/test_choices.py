"""What a selection prints: the best first, with its interval and its probability, and what failed."""

from rich.console import Console

from sweeps.report.choices import terminal_choices
from sweeps.selected import Choice, Ranked, Selection


def test_a_table_has_each_arm_of_a_target_and_failures_are_named():
    ranking = (
        Ranked(intermediate="mnli", gain=2.5, low=0.5, high=4.5, is_best=0.9),
        Ranked(intermediate="none", gain=0.0, low=0.0, high=0.0, is_best=0.1),
    )
    choice = Choice(model="xlmr", target="xnli", chosen="mnli", ranking=ranking)
    found = Selection(
        study="small", budget=0.25, spent=0.2, num_computed=3, choices=(choice,), failures={"base: mnli encoder": "no memory"}, notes=()
    )
    console = Console(width=100, record=True)
    console.print(terminal_choices(found))
    text = console.export_text()
    assert "xlmr -> xnli: mnli" in text
    (best,) = (line for line in text.splitlines() if "+2.5" in line)
    assert "+0.5 to +4.5" in best
    assert "90%" in best
    assert "failed: base: mnli encoder: no memory" in text
