"""The picture of an utterance: waveform, words, interleaving and token streams on one time axis.

0 s          1 s          2 s
[TEXT]  [SPEECH]     [TEXT]            which modality each word has in the interleaved stream
~~~~~|~~~~~|~~~~~~~|~~~~~~~~           waveform
that | agent | is  | already           words at their times
28 28 15 468 ...                       units, runs of equal codes joined
14    | 32   | ...                     pitch codes (and the F0 contour, where it is known)
10           | 10         | ...        style, one a second
"""

import math
from collections.abc import Iterator
from itertools import groupby

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from pipelines.report.data import SampleUtterance
from schemas.records import SAMPLE_RATE_HZ, Stream, Waveform
from schemas.vocabulary import PREFIX

PIXELS_PER_S = 230
LABEL_WIDTH = 76
_GAP = 7
_HEIGHTS = {"time": 16, "interleaved": 17, "wave": 76, "words": 24, "F0": 48, "units": 21, "pitch": 21, "style": 21}
_NAMES = {"time": "", "wave": "audio", "units": "units", "pitch": "pitch", "style": "style"}
_GOLDEN_ANGLE = 137.508


def timeline(sample: SampleUtterance) -> Markup:
    """SVG of an utterance; its ``data-seconds`` lets the page move a cursor along with the audio."""
    return _Timeline(sample).svg()


class _Timeline:
    def __init__(self, sample: SampleUtterance) -> None:
        self.sample = sample
        self.seconds = sample.record.num_samples / SAMPLE_RATE_HZ
        self.width = max(1, math.ceil(self.seconds * PIXELS_PER_S))
        self.parts: list[Markup] = []
        streams = {stream.kind: stream for stream in sample.record.streams}
        present = {
            "time": True,
            "interleaved": bool(sample.segments),
            "wave": sample.waveform is not None,
            "words": bool(sample.record.words),
            "F0": sample.f0_hz is not None,
            **{kind: kind in streams for kind in ("units", "pitch", "style")},
        }
        self.tops: dict[str, int] = {}
        top = 0
        for row, height in _HEIGHTS.items():
            if present[row]:
                self.tops[row] = top
                top += height + _GAP
        self.height = top
        self._time()
        self._interleaved()
        if sample.waveform is not None:
            self._wave(sample.waveform)
        if sample.record.words:
            self._words()
        if sample.f0_hz is not None:
            self._f0(sample.f0_hz, sample.f0_hop_samples)
        for stream in streams.values():
            self._codes(stream)

    def svg(self) -> Markup:
        labels = Markup("").join(
            Markup('<span style="top:{}px;height:{}px">{}</span>').format(top, _HEIGHTS[row], _NAMES.get(row, row))
            for row, top in self.tops.items()
        )
        cursor = Markup('<line class="cursor" x1="0" x2="0" y1="0" y2="{}"/>').format(self.height)
        head = Markup(
            '<svg width="{0}" height="{1}" viewBox="0 0 {0} {1}" data-seconds="{2:.4f}" role="img" aria-label="{3}">'
        )
        svg = head.format(self.width, self.height, self.seconds, f"timeline of {self.sample.record.utterance_id}")
        body = svg + Markup("").join(self.parts) + cursor + Markup("</svg>")
        template = Markup(
            '<div class="timeline"><div class="rows" style="width:{}px">{}</div><div class="scroll">{}</div></div>'
        )
        return template.format(LABEL_WIDTH, labels, body)

    def _add(self, template: str, *values: object) -> None:
        self.parts.append(Markup(template).format(*values))  # noqa: S704 - values are escaped by format()

    def _x(self, sample: float) -> float:
        return sample / SAMPLE_RATE_HZ * PIXELS_PER_S

    def _time(self) -> None:
        for tenth in range(0, int(self.seconds * 10) + 1, 5):
            x = self._x(tenth * SAMPLE_RATE_HZ / 10)
            self._add('<line class="grid" x1="{0:.1f}" x2="{0:.1f}" y1="12" y2="{1}"/>', x, self.height)
            if x + 26 < self.width:
                self._add('<text class="tick" x="{:.1f}" y="10">{:g} s</text>', x + 2, tenth / 10)

    def _box(self, row: str, start: float, end: float, text: str, *, css: str, title: str, style: str = "") -> None:
        x, width = self._x(start), self._x(end - start)
        top, height = self.tops[row], _HEIGHTS[row]
        self._add(
            '<g class="{}" style="{}"><title>{}</title><rect x="{:.1f}" y="{}" width="{:.1f}" height="{}" rx="2"/>',
            css,
            style,
            title,
            min(x + 0.5, self.width - 1),
            top,
            max(width - 1, 1),
            height,
        )
        size = 12 if row == "words" else 10
        if text and width >= 0.58 * size * len(text) + 4:
            self._add('<text x="{:.1f}" y="{:.1f}">{}</text>', x + width / 2, top + height / 2 + size * 0.36, text)
        self.parts.append(Markup("</g>"))

    def _interleaved(self) -> None:
        for segment in self.sample.segments:
            title = f"{segment.marker} {' '.join(segment.pieces)} ({segment.num_tokens} tokens)"
            css = f"span {segment.modality}"
            self._box("interleaved", segment.start_sample, segment.end_sample, segment.marker, css=css, title=title)

    def _wave(self, waveform: Waveform) -> None:
        top, height = self.tops["wave"], _HEIGHTS["wave"]
        middle, scale = top + height / 2, height / 2 / max(float(np.abs(waveform).max(initial=0)), 1e-4)
        columns = np.array_split(waveform, min(self.width, len(waveform)))
        upper = [f"{x},{middle - float(column.max()) * scale:.1f}" for x, column in enumerate(columns)]
        lower = [f"{x},{middle - float(column.min()) * scale:.1f}" for x, column in enumerate(columns)]
        self._add('<polygon class="wave" points="{}"/>', " ".join(upper + lower[::-1]))

    def _words(self) -> None:
        highest, lowest = self.tops.get("wave", self.tops["words"]), self.tops["words"] + _HEIGHTS["words"]
        for word in self.sample.record.words:
            for sample in (word.start_sample, word.end_sample):
                edge = '<line class="edge" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>'
                self._add(edge, self._x(sample), highest, lowest)
            start, end = word.start_sample / SAMPLE_RATE_HZ, word.end_sample / SAMPLE_RATE_HZ
            title = f"{word.text}: {start:.3f} to {end:.3f} s, score {word.score:.4g}"
            self._box("words", word.start_sample, word.end_sample, word.text, css="word", title=title)

    def _f0(self, f0_hz: npt.NDArray[np.floating], hop_samples: int) -> None:
        voiced = f0_hz > 0
        if not voiced.any():
            return
        low, high = float(f0_hz[voiced].min()), float(f0_hz[voiced].max())
        top, height = self.tops["F0"], _HEIGHTS["F0"]
        frames = [(index, float(value)) for index, value in enumerate(f0_hz)]
        for is_voiced, run in groupby(frames, key=lambda frame: frame[1] > 0):
            if is_voiced:
                points = " ".join(
                    f"{self._x((index + 0.5) * hop_samples):.1f},"
                    f"{top + height - 3 - (value - low) / max(high - low, 1.0) * (height - 6):.1f}"
                    for index, value in run
                )
                self._add('<polyline class="f0" points="{}"/>', points)
        self._add('<text class="tick" x="3" y="{}">{:.0f} to {:.0f} Hz</text>', top + 9, low, high)

    def _codes(self, stream: Stream) -> None:
        for code, first, last in _runs(stream):
            start, end = first * stream.hop_samples, min(last * stream.hop_samples, self.sample.record.num_samples)
            if start >= end:
                continue
            frames = "1 frame" if last - first == 1 else f"{last - first} frames"
            title = f"[{PREFIX[stream.kind]}{code}], {frames} from {start / SAMPLE_RATE_HZ:.2f} s"
            hue = f"--h:{code * _GOLDEN_ANGLE % 360:.0f}"
            self._box(stream.kind, start, end, str(code), css="code", title=title, style=hue)


def _runs(stream: Stream) -> Iterator[tuple[int, int, int]]:
    """Runs of equal codes as (code, first frame, end frame); style, which is not deduplicated, frame by frame."""
    first = 0
    frames = enumerate(int(code) for code in stream.ids)
    for (code, _), run in groupby(frames, key=lambda item: (item[1], item[0] if stream.kind == "style" else None)):
        end = first + sum(1 for _ in run)
        yield code, first, end
        first = end
