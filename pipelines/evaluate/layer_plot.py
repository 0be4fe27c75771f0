"""A line a series over a model's layers, as an SVG file that stands alone."""

from collections.abc import Mapping, Sequence
from html import escape

from pipelines.report.charts import line_chart

_COLOURS = ("#2b6cb0", "#c05621", "#2f855a")
_STYLE = (
    "svg{background:#fff;font-family:sans-serif}.grid{stroke:#ddd}.tick,.axis,.key{font-size:11px;fill:#555}"
    ".series{fill:none;stroke-width:2}"
)


def layer_plot(lines: Mapping[str, Sequence[float]], *, title: str) -> str:
    """Values by layer, from layer 0 (the embeddings) on; at most three lines."""
    layers = max(map(len, lines.values()))
    drawn = str(line_chart(range(layers), lines, title=title, x_label="layer", y_label="cosine")).partition("</svg>")[0]
    colours = "".join(f".s{i}{{stroke:{c}}}circle.s{i},.k{i}{{fill:{c};stroke:none}}" for i, c in enumerate(_COLOURS))
    keys = "".join(
        f'<text class="key k{index}" x="{60 + 130 * index}" y="-3">{escape(name)}</text>'
        for index, name in enumerate(lines)
    )
    head, _, body = drawn.partition(">")
    # The names stand above the chart.
    head = head.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg" width="560" height="256"', 1)
    head = head.replace('viewBox="0 0 560 240"', 'viewBox="0 -16 560 256"', 1)
    return f"{head}><style>{_STYLE}{colours}</style>{body}{keys}</svg>\n"
