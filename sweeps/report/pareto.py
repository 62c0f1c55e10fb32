"""Accuracy against latency as a figure, one panel a target: `pareto.svg`."""

import math
from collections.abc import Sequence
from html import escape

from sweeps.report.latency import Pareto
from sweeps.report.wording import points as written

_WIDTH, _HEIGHT = 460.0, 260.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 120.0, 26.0, 40.0
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#a67c00", "#3aa0d8", "#7a5cc7", "#555b61")


def to_svg(found: Sequence[Pareto]) -> bytes:
    """The same bytes for the same points; a point that no other of its target beats in both is filled, the others are hollow."""
    targets = list(dict.fromkeys(point.pair.target for point in found))
    panels = [_panel(target, [point for point in found if point.pair.target == target], row) for row, target in enumerate(targets)]
    height = _HEIGHT * max(1, len(targets))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {height:g}" role="img" aria-label="Accuracy against latency"'
    return "\n".join([f'{head} font-family="system-ui, sans-serif" font-size="11">', *panels, "</svg>\n"]).encode()


def _panel(target: str, found: Sequence[Pareto], row: int) -> str:
    xs = [math.log(point.latency_ms) for point in found]
    ys = [bound for point in found for bound in (point.score.low, point.score.high)]
    x_span, y_span = _padded(min(xs), max(xs), 0.01), _padded(min(ys), max(ys), 0.005)
    lines = [f'<g transform="translate(0 {row * _HEIGHT:g})" fill="currentColor">']
    lines.append(f'<text x="{_LEFT:g}" y="15" font-weight="bold">{escape(target)}</text>')
    lines += _axes(x_span, y_span)
    for place, point in enumerate(found):
        colour = _COLOURS[place % len(_COLOURS)]
        x, y = _x(math.log(point.latency_ms), x_span), _y(point.score.value, y_span)
        low, high = _y(point.score.low, y_span), _y(point.score.high, y_span)
        name = f"{point.pair.model}: {point.pair.intermediate}" + (f" [{point.pair.variant}]" if point.pair.variant != "base" else "")
        lines.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" style="stroke: {colour}"/>')
        title = f"{name}: {written(point.score.value)} at {point.latency_ms:.3g} ms"
        fill = colour if point.is_best else "none"
        lines.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{fill}" stroke="{colour}"><title>{escape(title)}</title></circle>')
        lines.append(f'<text x="{x + 8:.1f}" y="{y + 4:.1f}">{escape(name)}</text>')
    return "\n".join([*lines, "</g>"])


def _axes(x_span: tuple[float, float], y_span: tuple[float, float]) -> list[str]:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    lines = [f'<line x1="{_LEFT:g}" x2="{right:g}" y1="{bottom:g}" y2="{bottom:g}" stroke="currentColor" opacity="0.4"/>']
    for share in (0.0, 0.5, 1.0):
        log_ms, score = (low + share * (high - low) for low, high in (x_span, y_span))
        lines.append(f'<text x="{_x(log_ms, x_span):.1f}" y="{bottom + 14:g}" text-anchor="middle">{math.exp(log_ms):.3g}</text>')
        lines.append(f'<text x="{_LEFT - 6:g}" y="{_y(score, y_span) + 4:.1f}" text-anchor="end">{written(score)}</text>')
    lines.append(f'<text x="{right:g}" y="{bottom + 30:g}" text-anchor="end">median ms a batch (mean over settings)</text>')
    return lines


def _padded(low: float, high: float, least: float) -> tuple[float, float]:
    padding = max(0.1 * (high - low), least)
    return low - padding, high + padding


def _x(value: float, span: tuple[float, float]) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (value - span[0]) / (span[1] - span[0])


def _y(value: float, span: tuple[float, float]) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * (value - span[0]) / (span[1] - span[0])
