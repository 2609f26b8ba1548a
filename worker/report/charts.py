"""Charts as inline SVG: lines over steps, and reliability. Pure; colours are the page's classes, so both modes work."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from markupsafe import Markup, escape

from worker.report.reliability import Bin

#: Of the drawing, in its own units; the page scales it.
WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 10, 30
SIDE = 240
#: Classes line0 ... of the page's style; more lines begin again.
NUM_COLOURS = 6

Points = Sequence[tuple[float, float | None]]


def line_chart(lines: Mapping[str, Points], title: str, marks: Mapping[float, str] | None = None) -> Markup:
    """One line for each name; a value of None is a gap. `marks` are vertical lines with a word, by their x."""
    points = {name: [(x, y) for x, y in own if y is not None and math.isfinite(y)] for name, own in lines.items()}
    all_points = [point for own in points.values() for point in own]
    if not all_points:
        return Markup("")
    low_x, high_x = _span([x for x, _ in all_points], from_zero=False)
    low_y, high_y = _span([y for _, y in all_points], from_zero=True)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - low_x) / (high_x - low_x) * (WIDTH - LEFT - RIGHT)
        up = (y - low_y) / (high_y - low_y) * (HEIGHT - TOP - BOTTOM)
        return LEFT + across, HEIGHT - BOTTOM - up

    parts = [_head(WIDTH, HEIGHT, title)]
    for tick in _ticks(low_y, high_y):
        _, y = place(low_x, tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in _ticks(low_x, high_x):
        x, _ = place(tick, low_y)
        parts.append(f'<text class="tick" x="{x:.1f}" y="{HEIGHT - 10}" text-anchor="middle">{tick:g}</text>')
    for number, (at, word) in enumerate((marks or {}).items()):
        x, _ = place(min(max(at, low_x), high_x), low_y)
        parts.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        parts.append(f'<text class="tick" x="{x + 4:.1f}" y="{TOP + 10 + 13 * (number % 3)}">{escape(word)}</text>')
    for number, own in enumerate(points.values()):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in own))
        parts.append(f'<polyline class="line{number % NUM_COLOURS}" points="{path}"/>')
    return Markup("".join([*parts, "</svg>"]))


def reliability_chart(bins: Sequence[Bin], title: str) -> Markup:
    """Accuracy over confidence: a bar on the diagonal is as right as it says."""
    inner = SIDE - LEFT - RIGHT

    def place(x: float, y: float) -> tuple[float, float]:
        return LEFT + x * inner, TOP + (1 - y) * (SIDE - TOP - BOTTOM)

    parts = [_head(SIDE, SIDE, title)]
    for tick in (0, 0.5, 1):
        x, y = place(tick, tick)
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{SIDE - 10}" text-anchor="middle">{tick:g}</text>')
    for one in bins:
        (left, top), (right, bottom) = place(one.low, one.accuracy), place(one.high, 0)
        told = f"{one.rows} answers, {one.confidence:.0%} sure, {one.accuracy:.0%} right"
        parts.append(
            f'<rect class="bar" x="{left + 1:.1f}" y="{top:.1f}" width="{right - left - 2:.1f}" '
            f'height="{max(bottom - top, 0.5):.1f}"><title>{told}</title></rect>'
        )
    (x1, y1), (x2, y2) = place(0, 0), place(1, 1)
    parts.append(f'<line class="diagonal" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')
    return Markup("".join([*parts, "</svg>"]))


def _head(width: int, height: int, title: str) -> str:
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}"><title>{escape(title)}</title>'


def _span(values: Sequence[float], from_zero: bool) -> tuple[float, float]:
    low, high = min(values), max(values)
    if from_zero:
        low = min(low, 0.0)
    return (low, high) if high > low else (low, low + 1.0)


def _ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers within."""
    step = 10.0 ** math.floor(math.log10(high - low))
    for factor in (0.2, 0.5, 1.0):
        if (high - low) / (step * factor) <= 6:
            step *= factor
            break
    first = math.ceil(low / step)
    ticks = [round(number * step, 10) for number in range(first, math.floor(high / step + 1e-9) + 1)]
    assert all(a < b for a, b in pairwise(ticks))
    return ticks
