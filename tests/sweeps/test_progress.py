"""What is shown while a study runs."""

import io
import random

from rich.console import Console

from sweeps.plan import plan_study
from sweeps.progress import MAX_LINES, Progress
from sweeps.walk import Walk
from tests.sweeps.simulation import builder_of, make_study, manifest_of


def follow(console: Console, fail_at: int | None = None) -> tuple[Progress, int]:
    """A simulated study of some 200 stages, told stage by stage."""
    walk = Walk(
        plan_study(builder_of(make_study(targets=["xnli", "pawsx"], search={"trials": 6, "replicates": 3, "pruning": "none"}))),
        lambda _key: None,
    )
    progress, draw, num_stages = Progress(console, "simulated", 150), random.Random(0), 0
    progress._started_at -= 60
    while (request := walk.next()) is not None:
        progress.started(request)
        if num_stages == fail_at:
            walk.fail(request.key, "ValueError: planted")
        else:
            manifest = manifest_of(request)
            cost = manifest.cost.model_copy(update={"seconds": draw.uniform(1, 3), "num_tokens": 1000})
            walk.finish(request.key, manifest.model_copy(update={"cost": cost}))
        for outcome in walk.drain():
            progress.settled(outcome)
        for program in walk.drain_advanced():
            if program.evaluations:
                progress.pair_finished(program.result())
        num_stages += 1
    return progress, num_stages


def test_where_the_output_is_no_terminal_a_study_has_few_lines_and_every_failure() -> None:
    console = Console(file=io.StringIO(), width=200)
    _, num_stages = follow(console, fail_at=7)
    lines = console.file.getvalue().splitlines()
    assert num_stages > 3 * MAX_LINES
    assert 10 < len(lines) <= MAX_LINES + 10
    assert any(line.startswith("failed: ") and line.endswith("ValueError: planted") for line in lines)


def test_the_screen_says_what_was_spent_what_is_left_and_what_is_best() -> None:
    file = io.StringIO()
    progress, _ = follow(Console(file=io.StringIO(), width=200))
    Console(file=file, width=200).print(progress._screen())
    screen = file.getvalue()
    assert "device-hours" in screen
    assert "tokens/s, at most " in screen
    assert screen.count("best so far") == 2, "one for each target"
    assert "against none" in screen
