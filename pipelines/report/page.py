"""Renders a report: one HTML file that needs nothing else, its pictures inline SVG and its audio inline FLAC."""

import base64
import io
from pathlib import Path

import jinja2
import soundfile as sf
from markupsafe import Markup

from pipelines.files import join, make_folder, write_text
from pipelines.report.charts import bars, histogram, line_chart, number
from pipelines.report.data import ReportData, SampleUtterance
from pipelines.report.timeline import timeline
from schemas.records import SAMPLE_RATE_HZ, StreamKind, Waveform
from schemas.vocabulary import PREFIX

REPORT = "report.html"
_KINDS = {"text": "text", "units": "units", "pitch": "pitch", "style": "style"}


def write_report(output: str | Path, data: ReportData) -> str:
    """Write ``report.html`` into a folder (path or fsspec URL); returns its URL. The same data give the same bytes.

    Raises:
        UserError: The folder cannot be written.
    """
    make_folder(str(output))
    url = join(str(output), REPORT)
    write_text(url, render_report(data))
    return url


def render_report(data: ReportData) -> str:
    """The page as a string."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, duration=duration, player=player, percent=percent, stream=stream_html)
    return environment.get_template("report.html.j2").render(
        data=data,
        timeline=timeline,
        token_bars=_token_bars(data),
        stage_bars=_stage_bars(data),
        histograms=[
            (plot, histogram(plot.values, title=plot.title, unit=plot.unit, threshold=plot.threshold))
            for plot in data.histograms
        ],
        loss=_loss(data),
    )


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, whichever reads best.

    >>> duration(5.25), duration(600), duration(9000)
    ('5.2 s', '10.0 min', '2.50 h')
    """
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{number(round(seconds / 3600, 2))} h"


def percent(ratio: float) -> str:
    return f"{100 * ratio:.1f} %"


def player(waveform: Waveform, label: str) -> Markup:
    """An audio element that holds the waveform as 16-bit FLAC."""
    buffer = io.BytesIO()
    sf.write(buffer, waveform, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    template = Markup('<audio controls preload="metadata" aria-label="{}" src="data:audio/flac;base64,{}"></audio>')
    return template.format(label, encoded)


def stream_html(sample: SampleUtterance) -> Markup:
    """The interleaved stream, each token coloured by its kind."""
    parts: list[Markup] = []
    for segment in sample.segments:
        parts.append(Markup('<span class="marker {}">{}</span>').format(segment.modality, segment.marker))
        for piece in segment.pieces:
            css = "words" if segment.modality == "text" else f"token {_kind_of(piece)}"
            parts.append(Markup('<span class="{}">{}</span>').format(css, piece))
    return Markup('<div class="stream">{}</div>').format(Markup("").join(parts))


def _kind_of(token: str) -> StreamKind:
    return next(kind for kind, prefix in PREFIX.items() if token.startswith(f"[{prefix}"))


def _token_bars(data: ReportData) -> Markup:
    total = sum(data.tokens.values()) or 1
    labels = {kind: f"{number(count)} ({percent(count / total)})" for kind, count in data.tokens.items()}
    return bars(data.tokens, labels=labels, classes=_KINDS)


def _stage_bars(data: ReportData) -> Markup:
    labels = {
        stage: duration(seconds) + (f" · {number(data.speech_s / seconds)} x real time" if seconds > 0 else "")
        for stage, seconds in data.seconds_by_stage.items()
    }
    return bars(data.seconds_by_stage, labels=labels)


def _loss(data: ReportData) -> Markup | None:
    if data.loss is None:
        return None
    return line_chart(
        data.loss.steps, data.loss.series, title="training loss by step", x_label="step", y_label="nats per token"
    )
