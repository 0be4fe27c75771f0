"""Charts as inline SVG. Colours are CSS classes, so that they follow the page into dark mode."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup

_WIDTH, _HEIGHT = 560, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 14, 12, 40
_TICK_LETTER = 7.0  # widest digit of a tick's label
_POINTS = 300


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About ``count`` round numbers that span ``[low, high]``, the outer two enclosing it; from 0 to a single value."""
    if high - low < 1e-6 * max(1.0, abs(low), abs(high)):
        low, high = min(0.0, low), max(0.0, high)
    if high - low < 1e-6:
        high = low + 1.0
    rough = (high - low) / count
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(magnitude * factor for factor in (1, 2, 2.5, 5, 10) if magnitude * factor >= rough * 0.999)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]


def number(value: float) -> str:
    """Three significant digits of a fraction, whole numbers in full with thousands apart."""
    if abs(value) < 1000 and value != round(value):
        return f"{value:.3g}"
    return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


class _Plot:
    """A pair of axes: maps values to pixels and collects SVG elements."""

    def __init__(self, x_ticks: list[float], y_ticks: list[float], *, x_label: str, y_label: str, label: str) -> None:
        self.x_range, self.y_range = (x_ticks[0], x_ticks[-1]), (y_ticks[0], y_ticks[-1])
        self.label = label
        self.parts: list[Markup] = []
        for tick in y_ticks:
            y = self.y(tick)
            self.add('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>', _LEFT, _WIDTH - _RIGHT, y, y)
            self.add('<text class="tick" x="{}" y="{:.1f}" text-anchor="end">{}</text>', _LEFT - 6, y + 4, number(tick))
        for tick in x_ticks:
            text = number(tick)
            x = min(self.x(tick), _WIDTH - len(text) * _TICK_LETTER / 2)  # a long one would be cut off at the edge
            self.add(
                '<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{}</text>',
                x,
                _HEIGHT - _BOTTOM + 16,
                text,
            )
        middle = (_LEFT + _WIDTH - _RIGHT) / 2
        self.add('<text class="axis" x="{:.1f}" y="{}" text-anchor="middle">{}</text>', middle, _HEIGHT - 6, x_label)
        self.add(
            '<text class="axis" transform="translate(11 {:.1f}) rotate(-90)" text-anchor="middle">{}</text>',
            (_TOP + _HEIGHT - _BOTTOM) / 2,
            y_label,
        )

    def x(self, value: float) -> float:
        low, high = self.x_range
        return _LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return _HEIGHT - _BOTTOM - (value - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    def add(self, template: str, *values: object) -> None:
        self.parts.append(Markup(template).format(*values))  # noqa: S704 - values are escaped by format()

    def svg(self) -> Markup:
        head = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">')
        return head.format(_WIDTH, _HEIGHT, self.label) + Markup("").join(self.parts) + Markup("</svg>")


def histogram(values: Sequence[float], *, title: str, unit: str, threshold: float | None = None) -> Markup:
    """Counts of the finite values in 30 equal bins, with a dashed line at the threshold.

    Below stand the smallest, the mean and the largest value.
    """
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return Markup('<p class="muted">no values</p>')
    marks = [*finite, threshold] if threshold is not None else finite
    x_ticks = nice_ticks(float(np.min(marks)), float(np.max(marks)))
    inside = np.clip(finite, x_ticks[0], x_ticks[-1])  # the ticks are rounded
    counts, edges = np.histogram(inside, bins=30, range=(x_ticks[0], x_ticks[-1]))
    plot = _Plot(x_ticks, nice_ticks(0, int(counts.max())), x_label=unit, y_label="utterances", label=title)
    for count, left, right in zip(counts, edges, edges[1:], strict=False):
        if count:
            plot.add(
                '<rect class="bar" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}">'
                "<title>{} to {}: {}</title></rect>",
                plot.x(left) + 0.75,
                plot.y(count),
                plot.x(right) - plot.x(left) - 1.5,
                plot.y(0) - plot.y(count),
                number(left),
                number(right),
                count,
            )
    if threshold is not None:
        x = plot.x(threshold)
        plot.add('<line class="threshold" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>', x, _TOP, _HEIGHT - _BOTTOM)
        left = x > _WIDTH / 2
        anchor, shift = ("end", -5) if left else ("start", 5)
        text = f"threshold {number(threshold)}"
        plot.add('<text class="note" x="{:.1f}" y="{}" text-anchor="{}">{}</text>', x + shift, _TOP + 10, anchor, text)
    told = {"from": finite.min(), "mean": finite.mean(), "to": finite.max()}
    parts = [Markup("<span>{} <b>{}</b></span>").format(name, number(float(value))) for name, value in told.items()]
    parts.append(Markup("<span>{} utterances</span>").format(number(len(finite))))
    return plot.svg() + Markup('<p class="legend">{}</p>').format(Markup("").join(parts))


def line_chart(
    xs: Sequence[float], series: Mapping[str, Sequence[float]], *, title: str, x_label: str, y_label: str
) -> Markup:
    """One line a series; long ones are averaged down to 300 points. Each line is named at its end and in the legend."""
    lines = {name: _thin(xs, values) for name, values in series.items() if len(values)}
    points = [point for line in lines.values() for point in line]
    if not points:
        return Markup('<p class="muted">no values</p>')
    highest = max(y for _, y in points)
    plot = _Plot(
        nice_ticks(min(x for x, _ in points), max(x for x, _ in points)),
        nice_ticks(min(0.0, min(y for _, y in points)), highest),
        x_label=x_label,
        y_label=y_label,
        label=title,
    )
    for index, (name, line) in enumerate(lines.items()):
        path = " ".join(f"{plot.x(x):.1f},{plot.y(y):.1f}" for x, y in line)
        plot.add('<polyline class="series s{}" points="{}"><title>{}</title></polyline>', index % 5, path, name)
        x, y = line[-1]
        plot.add(
            '<circle class="dot s{}" cx="{:.1f}" cy="{:.1f}" r="3.5"><title>{}: {} at {}</title></circle>',
            index % 5,
            plot.x(x),
            plot.y(y),
            name,
            number(y),
            number(x),
        )
    keys = Markup("").join(
        Markup('<span><i class="key s{}"></i>{} <b>{}</b></span>').format(index % 5, name, number(line[-1][1]))
        for index, (name, line) in enumerate(lines.items())
    )
    return plot.svg() + Markup('<p class="legend">{}</p>').format(keys)


def _thin(xs: Sequence[float], ys: Sequence[float]) -> list[tuple[float, float]]:
    """Means over at most ``_POINTS`` equal runs of the finite points."""
    pairs = np.array([(x, y) for x, y in zip(xs, ys, strict=True) if math.isfinite(y)], dtype=np.float64)
    if not len(pairs):
        return []
    runs = np.array_split(pairs, min(_POINTS, len(pairs)))
    return [(float(run[:, 0].mean()), float(run[:, 1].mean())) for run in runs]


def bars(values: Mapping[str, float], *, labels: Mapping[str, str], classes: Mapping[str, str] | None = None) -> Markup:
    """Horizontal bars as an HTML list, longest = full width; ``labels`` are the values as they shall read."""
    longest = max(values.values(), default=0) or 1
    rows = [
        Markup(
            '<li><span>{}</span><span class="track"><i class="{}" style="width:{:.2f}%"></i></span><b>{}</b></li>'
        ).format(name, (classes or {}).get(name, "s0"), 100 * value / longest, labels[name])
        for name, value in values.items()
    ]
    return Markup('<ul class="bars">{}</ul>').format(Markup("").join(rows))
