"""What the terminal shows while a study runs: one live screen, or a line an event where the output is no terminal."""

import time

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sweeps.plan import Request
from sweeps.results import PairResult
from sweeps.walk import Outcome
from trainables.manifest import CurvePoint

_MAX_SHOWN = 12


class Progress:
    """Shown between entering and leaving; `num_stages` is an upper bound where searches prune."""

    def __init__(self, console: Console, study: str, num_stages: int) -> None:
        self._console = console
        self._study = study
        self._num_stages = num_stages
        self._num_settled = 0
        self._num_cached = 0
        self._num_failed = 0
        self._started_at = time.monotonic()
        self._running: dict[str, tuple[Request, float, CurvePoint | None]] = {}
        self._pairs: list[PairResult] = []
        self._live = Live(get_renderable=self._screen, console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> "Progress":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def note(self, message: str) -> None:
        """A line that stays."""
        self._console.print(message, highlight=False, markup=False, soft_wrap=True)
        self._console.file.flush()

    def started(self, request: Request) -> None:
        """A stage was handed to the cluster."""
        self._running[request.key] = (request, time.monotonic(), None)

    def reported(self, request: Request, point: CurvePoint) -> None:
        """A training came to a dev evaluation."""
        if request.key in self._running:
            self._running[request.key] = (request, self._running[request.key][1], point)

    def settled(self, outcome: Outcome) -> None:
        """A stage is done, was found in the store, or failed."""
        self._running.pop(outcome.request.key, None)
        self._num_settled += 1
        self._num_cached += outcome.was_cached
        self._num_failed += outcome.error is not None
        if outcome.error is not None:
            self.note(f"failed: {outcome.request.context.name}: {outcome.error}")
        elif not outcome.was_cached and not self._console.is_terminal:
            self.note(f"{self._done()} {outcome.request.context.name}: {_found(outcome)}")

    def pair_finished(self, result: PairResult) -> None:
        """A cell of the matrix is complete."""
        self._pairs.append(result)

    def _done(self) -> str:
        return f"[{self._num_settled}/{self._num_stages}]"

    def _screen(self) -> RenderableType:
        elapsed_s = time.monotonic() - self._started_at
        head = Text(f"{self._study}  {self._num_settled} of at most {self._num_stages} stages", style="bold")
        head.append(f"  ({self._num_cached} from the store, {self._num_failed} failed)  {elapsed_s:.0f} s", style="not bold")
        running = Table(box=None, pad_edge=False, show_header=False)
        for request, since, point in list(self._running.values())[:_MAX_SHOWN]:
            score = "" if point is None or point.score is None else f"dev {point.score:.3f} at step {point.step}"
            running.add_row("  running", request.context.name, score, f"{time.monotonic() - since:.0f} s")
        cells = [f"{result.pair}" for result in self._pairs[-_MAX_SHOWN:]]
        return Group(head, running, Text("  finished " + "; ".join(cells) if cells else "", style="dim", overflow="ellipsis", no_wrap=True))


def _found(outcome: Outcome) -> str:
    assert outcome.manifest is not None, "only failures have no manifest"
    manifest = outcome.manifest
    score = "" if manifest.score is None else f"dev {manifest.score:.3f}, "
    pruned = "pruned, " if manifest.status == "pruned" else ""
    return f"{pruned}{score}{manifest.cost.seconds:.1f} s"
