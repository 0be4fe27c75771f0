"""The report: one file that needs nothing else, whose audio and pictures are those of the run."""

import base64
import io
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import example, given
from hypothesis import strategies as st

from pipelines.report import (
    ErrorRate,
    GeneratedSample,
    Histogram,
    LossCurve,
    ReportData,
    SampleUtterance,
    dropped_causes,
    readable_segments,
    render_report,
    write_report,
)
from pipelines.report.charts import histogram, line_chart, nice_ticks, number
from pipelines.report.page import player
from pipelines.report.timeline import timeline
from schemas.errors import UserError
from schemas.records import (
    AlignedWord,
    DeadLetter,
    Segment,
    StoredUtterance,
    Stream,
    TokenSequence,
)
from schemas.vocabulary import VocabularyLayout

AUDIO = Path(__file__).parents[3] / "examples/asterisk-en/audio/agent-alreadyon.flac"
SPEECH, _ = sf.read(AUDIO, dtype="float32")
HOSTILE = '</script><img src="https://example.org/x.png" onerror=alert(1)> & "quotes" שלום 🎉'
LAYOUT = VocabularyLayout(10, 5, 4, 3, "text")
VOID = {"meta", "link", "img", "br", "input", "hr"}


def stream(kind, hop_samples, codebook_size, num_samples):
    frames = -(-num_samples // hop_samples)
    ids = (np.arange(frames) // 2 % codebook_size).astype(np.int32)
    return Stream(kind, hop_samples, codebook_size, ids, "fingerprint")


def utterance(text="That agent", words=()):
    streams = (
        stream("units", 640, 5, len(SPEECH)),
        stream("pitch", 1280, 4, len(SPEECH)),
        stream("style", 16_000, 3, len(SPEECH)),
    )
    words = words or (AlignedWord("that", 640, 6000, -1.5, 0, 4), AlignedWord("agent", 6000, 13_000, -1.25, 5, 10))
    return StoredUtterance("u/1", text, len(SPEECH), words, streams, speaker="ann", alignment={"score": -1.25})


def full_report(text="That agent"):
    sequence = TokenSequence(
        "u/1",
        np.array([10, 1, 2, 11, 21, 17, 12], np.int32),
        (Segment("text", 0, 3, 0, 1, 0, 6000), Segment("speech", 3, 7, 1, 2, 6000, len(SPEECH))),
    )
    segments = readable_segments(sequence, LAYOUT, lambda ids: " ".join(f"w{token}" for token in ids))
    f0_hz = np.array([0, 110, 120, 0, 200], np.float32)
    return ReportData(
        title=text,
        inputs=5,
        utterances=2,
        speech_s=5.5,
        words=12345,
        tokens={"text": 3, "units": 6, "pitch": 2, "style": 1},
        tokens_per_s=17.25,
        without_a_switch=0.5,
        dropped=dropped_causes([DeadLetter(text, "align", "alignment_failed", text, "failed", "a.wav")]),
        samples=[SampleUtterance(utterance(text), SPEECH, segments, f0_hz, 160)],
        histograms=[Histogram(text, "nats", [-1.0, -2.0, float("nan")], threshold=-3.0)],
        loss=LossCurve([1, 2, 3], {"all": [3.0, 2.0, 1.0], text: [1.0, float("inf"), 0.5]}),
        generated=[GeneratedSample("text to speech", text, None, text, SPEECH[:1600], text)],
        error_rates=[ErrorRate("original", 0.118, 50, text)],
        seconds_by_stage={"decode": 0.5, "align": 0.0},
        provenance={"Versions": {"plait": text}},
        config=text,
    )


class Page(HTMLParser):
    """Checks that tags nest, and collects attributes and scripts."""

    def __init__(self, html):
        super().__init__()
        self.open, self.attributes, self.tags = [], [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else_and_trusts_no_text():
    page = Page(render_report(full_report(HOSTILE)))
    assert page.tags.count("script") == 1
    assert "img" not in page.tags
    for _, name, value in page.attributes:
        assert not name.startswith("on")
        if name in ("src", "href"):
            assert value.startswith("data:")
    css = (Path(render_report.__code__.co_filename).parent / "templates/style.css").read_text()
    assert "url(" not in css
    assert "@import" not in css


def test_what_was_dropped_and_measured_is_on_the_page():
    html = render_report(full_report())
    for text in (
        "alignment_failed",
        "Without a switch",
        "12\u202f345",
        "17.2",
        "11.8 %",
        "11 x real time",
        "[SPEECH]",
        "[Hu0]",
        "w1 w2",
    ):
        assert text in html, text


def test_the_same_data_give_the_same_bytes(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        assert write_report(tmp_path / folder, full_report()) == f"{tmp_path}/{folder}/report.html"
    assert (tmp_path / "a/report.html").read_bytes() == (tmp_path / "b/report.html").read_bytes()
    assert write_report("memory://out", full_report()) == "memory://out/report.html"


def test_a_run_without_results_has_a_report():
    empty = ReportData(title="", inputs=0, utterances=0, speech_s=0, words=0, tokens={}, tokens_per_s=0)
    html = render_report(empty)
    Page(html)
    assert "Dropped</h2>" not in html
    assert "<h2>Model" not in html


def test_the_players_hold_the_audio():
    encoded = re.search(r"base64,([^\"]+)", player(SPEECH, "label"))[1]
    samples, rate_hz = sf.read(io.BytesIO(base64.b64decode(encoded)), dtype="float32")
    assert rate_hz == 16_000
    assert np.abs(samples - SPEECH).max() <= 1 / 32768


def test_readable_segments_name_every_token():
    sequence = TokenSequence(
        "u",
        np.array([10, *range(1, 11), *range(11, 24)], np.int32),
        (Segment("text", 0, 11, 0, 1, 0, 5), Segment("speech", 11, 24, 1, 2, 5, 9)),
    )
    text, speech = readable_segments(sequence, LAYOUT, str)
    assert (text.marker, text.pieces, text.num_tokens) == ("[TEXT]", (str(list(range(1, 11))),), 11)
    assert (speech.marker, speech.num_tokens) == ("[SPEECH]", 13)
    assert speech.pieces == tuple(LAYOUT.added_tokens()[2:])
    assert (speech.start_sample, speech.end_sample) == (5, 9)


def test_dropped_causes_count_everything_and_show_the_first():
    letters = [DeadLetter(f"u{index}", "align", "x", "d", "filtered", "") for index in range(7)]
    letters.append(DeadLetter("v", "decode", "y", "d", "failed", ""))
    first, second = dropped_causes(reversed(letters), examples=2)
    assert (first.count, first.examples) == (7, (("u0", "d"), ("u1", "d")))
    assert (second.stage, second.code, second.outcome, second.count) == ("decode", "y", "failed", 1)


@given(
    num_samples=st.integers(1, 50_000),
    cuts=st.lists(st.integers(0, 50_000), max_size=6),
    hop_samples=st.sampled_from([320, 640, 1280, 16_000]),
)
@example(num_samples=777, cuts=[776, 777], hop_samples=320)
def test_every_box_of_a_timeline_lies_on_it(num_samples, cuts, hop_samples):
    edges = sorted({min(cut, num_samples) for cut in cuts})
    words = tuple(AlignedWord("w", a, b, 0.0, 0, 1) for a, b in pairwise(edges))
    record = StoredUtterance("u", "w", num_samples, words, (stream("units", hop_samples, 5, num_samples),))
    svg = timeline(SampleUtterance(record, np.zeros(num_samples, np.float32)))
    width = float(re.search(r'<svg width="(\d+)"', svg)[1])
    boxes = re.findall(r'<rect x="([\d.-]+)" y="\d+" width="([\d.]+)"', svg)
    runs = -(-len(record.streams[0].ids) // 2)
    assert len(boxes) == len(words) + runs
    for x, box_width in boxes:
        assert float(x) >= 0
        assert float(x) + float(box_width) <= width + 0.11  # both are rounded to tenths


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_ticks_enclose_their_range(a, b):
    low, high = min(a, b), max(a, b)
    ticks = nice_ticks(low, high)
    tolerance = 1e-6 * max(1, abs(low), abs(high))
    assert ticks[0] <= low + tolerance
    assert ticks[-1] >= high - tolerance
    assert 2 <= len(ticks) <= 9
    assert ticks == sorted(set(ticks))


@pytest.mark.parametrize(("value", "ends"), [(1.0, (0, 1)), (0.0, (0, 1)), (-3.0, (-3, 0)), (545.0, (0, 600))])
def test_the_ticks_of_one_value_reach_from_zero_to_it(value, ends):
    ticks = nice_ticks(value, value)
    assert (ticks[0], ticks[-1]) == ends


def test_no_label_of_an_axis_is_cut_off():
    html = histogram([0, 1e6], title="t", unit="u")
    labels = re.findall(r'class="tick" x="([\d.]+)" y="216" [^>]*>([^<]+)<', html)
    assert labels[-1][1] == "1\u202f000\u202f000"
    assert all(float(x) + 3.5 * len(text) <= 560 for x, text in labels)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=50))
def test_a_histogram_counts_every_value(values):
    counts = re.findall(r": (\d+)</title>", histogram(values, title="t", unit="u"))
    assert sum(map(int, counts)) == len(values)


def test_a_histogram_says_its_unit_its_ends_its_mean_and_how_many():
    html = histogram([0.5, 0.7, float("nan"), 1.2], title="t", unit="nats a frame")
    told = re.sub("<[^>]+>", " ", html).split()
    assert " ".join(told[-8:]) == "from 0.5 mean 0.8 to 1.2 3 utterances"
    assert "nats a frame</text>" in html


def test_charts_without_values_say_so():
    assert "no values" in histogram([float("nan")], title="t", unit="u")
    assert "no values" in line_chart([], {"all": []}, title="t", x_label="x", y_label="y")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (17.25, "17.2"), (0.00123, "0.00123"), (999, "999"), (12345.6, "12\u202f346"), (-3, "-3")],
)
def test_numbers_read_well(value, text):
    assert number(value) == text


def test_a_folder_that_cannot_be_written_is_the_users_to_mend(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file"):
        write_report(tmp_path / "file", full_report())
