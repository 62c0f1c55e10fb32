"""What the terminal shows while a study runs: one live screen, or a line an event where the output is no terminal."""

import math
import time
from statistics import fmean, pstdev

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sweeps.plan import Request
from sweeps.results import BASELINE, PairResult, mean_score
from sweeps.walk import Outcome
from trainables.manifest import CurvePoint

_MAX_SHOWN = 12
MAX_LINES = 30
"""About stages that ended well, where the output is no terminal: of a study with more, every second or n-th is told."""


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
        self._seconds: list[float] = []
        """Of the stages that were computed."""
        self._num_tokens = 0
        self._device_seconds = 0.0
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
            self.note(f"failed: {outcome.request.context.name} ({outcome.request.key}): {outcome.error}")
        elif outcome.manifest is not None and not outcome.was_cached:
            cost = outcome.manifest.cost
            self._seconds.append(cost.seconds)
            self._num_tokens += cost.num_tokens
            self._device_seconds += cost.device_seconds
            every = math.ceil(self._num_stages / MAX_LINES)
            if not self._console.is_terminal and len(self._seconds) % every == 0:
                self.note(f"[{self._num_settled}/{self._num_stages}] {outcome.request.context.name}: {_found(outcome)}")

    def pair_finished(self, result: PairResult) -> None:
        """A cell of the matrix is complete."""
        self._pairs.append(result)

    def _screen(self) -> RenderableType:
        elapsed_s = time.monotonic() - self._started_at
        head = Text(f"{self._study}  {self._num_settled} of at most {self._num_stages} stages", style="bold")
        head.append(f"  ({self._num_cached} from the store, {self._num_failed} failed)  {_duration(elapsed_s)}", style="not bold")
        spent = f"  {self._device_seconds / 3600:.2f} device-hours, {self._num_tokens / max(elapsed_s, 1):,.0f} tokens/s"
        running = Table(box=None, pad_edge=False, show_header=False)
        for request, since, point in list(self._running.values())[:_MAX_SHOWN]:
            score = "" if point is None or point.score is None else f"dev {point.score:.3f} at step {point.step}"
            running.add_row("  running", request.context.name, score, _duration(time.monotonic() - since))
        if len(self._running) > _MAX_SHOWN:
            running.add_row("  running", f"and {len(self._running) - _MAX_SHOWN} more")
        return Group(head, Text(spent + self._left(elapsed_s), style="dim"), running, *self._best())

    def _left(self, elapsed_s: float) -> str:
        """How long the stages that are left take, if they are like those that ended: a 95% interval of their sum's mean and scatter."""
        num_left = self._num_stages - self._num_settled
        if len(self._seconds) < 3 or num_left <= 0:
            return ""
        num_at_once = max(sum(self._seconds) / elapsed_s, 1e-9)
        middle_s = num_left * fmean(self._seconds) / num_at_once
        scatter_s = 1.96 * pstdev(self._seconds) * math.sqrt(num_left + num_left**2 / len(self._seconds)) / num_at_once
        low, high = max(middle_s - scatter_s, 0), middle_s + scatter_s
        return f", at most {_duration(middle_s)} left ({_duration(low)} to {_duration(high)})"

    def _best(self) -> list[Text]:
        """The best finished cell of each model's targets, and its gain."""
        scores = {result.pair: score for result in self._pairs if (score := mean_score(result)) is not None}
        best: dict[tuple[str, str], PairResult] = {}
        for result in self._pairs:
            place = result.pair.model, result.pair.target
            if result.pair in scores and (place not in best or scores[result.pair] > scores[best[place].pair]):
                best[place] = result
        lines = []
        for pair, baseline in [(result.pair, result.baseline) for result in best.values()][:_MAX_SHOWN]:
            is_gain = baseline in scores and baseline != pair
            gain = f", {100 * (scores[pair] - scores[baseline]):+.1f} against {BASELINE}" if is_gain else ""
            lines.append(Text(f"  best so far  {pair}: {100 * scores[pair]:.1f}{gain}", style="green"))
        return lines


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _found(outcome: Outcome) -> str:
    assert outcome.manifest is not None, "only failures have no manifest"
    manifest = outcome.manifest
    score = "" if manifest.score is None else f"dev {manifest.score:.3f}, "
    pruned = "pruned, " if manifest.status == "pruned" else ""
    return f"{pruned}{score}{manifest.cost.seconds:.1f} s"
