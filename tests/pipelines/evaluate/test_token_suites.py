"""Units against phones and re-synthesis: known encoders and voices, the bundled ones, mistakes in the data."""

from types import SimpleNamespace

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st

from pipelines.evaluate.corpora import read_corpus
from pipelines.evaluate.registry import suite_named
from pipelines.evaluate.suites.resynthesis import evaluate_voice
from pipelines.evaluate.suites.units import phones_at_frames, read_labelled, read_labels, unit_quality
from schemas.errors import UserError
from schemas.records import SourceRow, Utterance
from tests.pipelines.evaluate.fake_models import BUNDLED, request_of
from transforms.pitch.fcpe import FcpePitchConfig
from transforms.units.whisper import WhisperUnitsConfig

HOP = 640


def quality(labels, ids, codes=50, fold=False):
    return unit_quality(labels, ids, hop_samples=HOP, codebook_size=codes, fold=fold)


def labels_of(phones):
    return [(index * HOP, (index + 1) * HOP, phone) for index, phone in enumerate(phones)]


PHONES = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=8, max_size=60).filter(lambda p: len(set(p)) > 1)


@given(PHONES, st.data())
def test_known_codes_get_the_figures_they_must(phones, data):
    names = sorted(set(phones))
    rename = data.draw(st.lists(st.integers(0, 49), min_size=4, max_size=4, unique=True))
    perfect = np.array([rename[names.index(phone)] for phone in phones], np.int32)
    found = quality([labels_of(phones)], [perfect])
    assert (found["PNMI"], found["phone purity"], found["cluster purity"]) == pytest.approx((1, 1, 1))
    assert found["codes used, share"] == len(names) / 50
    assert found["code perplexity"] <= len(names) + 1e-9
    constant = quality([labels_of(phones)], [np.zeros(len(phones), np.int32)])
    assert constant["PNMI"] == pytest.approx(0, abs=1e-12)
    assert constant["bits a second"] == pytest.approx(0, abs=1e-9)
    assert constant["phone purity"] == pytest.approx(max(phones.count(name) for name in names) / len(phones))


def test_random_codes_tell_nothing_of_phones():
    rng = np.random.default_rng(0)
    phones = [str(phone) for phone in rng.choice(list("abcd"), 20_000)]
    found = quality([labels_of(phones)], [rng.integers(0, 50, 20_000).astype(np.int32)])
    assert found["PNMI"] < 0.01
    assert found["phone purity"] < 0.35


@given(PHONES, st.integers(1, 3))
def test_a_frame_has_the_phone_at_its_middle(phones, width):
    labels = [(index * HOP * width + 7, (index + 1) * HOP * width + 7, phone) for index, phone in enumerate(phones)]
    frames = len(phones) * width + 2
    found = phones_at_frames(labels, frames, hop_samples=HOP, fold=False)
    for frame, phone in enumerate(found):
        middle = frame * HOP + HOP // 2
        assert phone == next((name for start, end, name in labels if start <= middle < end), None)


def test_folding_joins_and_leaves_out():
    labels = labels_of(["ax", "q", "h#", "zh"])
    assert phones_at_frames(labels, 4, hop_samples=HOP, fold=True) == ["ah", None, "sil", "sh"]


def test_the_bundled_units_on_the_small_set():
    suite = suite_named("units")
    outcome = suite.run(lambda: 1 / 0, request_of(suite, limit=3))
    assert outcome.value("units", "PNMI") > 0.6
    assert 15 < outcome.value("units", "deduplicated tokens a second") <= 25
    assert outcome.about["encoder"] == WhisperUnitsConfig().fingerprint
    folded = suite.run(lambda: 1 / 0, request_of(suite, limit=3, phones="39"))
    assert folded.value("units", "PNMI") != outcome.value("units", "PNMI")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 10 a\n10 x b\n", r"x\.phn:2: expected"),
        ("0 10 a\n5 20 b\n", r"x\.phn:2: the phone b ends before it begins, or overlaps"),
        ("\n", r"x\.phn: no phones"),
    ],
)
def test_mistakes_in_labels_are_named_by_line(tmp_path, text, message):
    (tmp_path / "x.phn").write_text(text)
    with pytest.raises(UserError, match=message):
        read_labels(tmp_path / "x.phn")


def test_labels_need_audio_and_audio_labels(tmp_path):
    with pytest.raises(UserError, match=r"no \.phn below it"):
        read_labelled(tmp_path, limit=None)
    (tmp_path / "x.PHN").write_text("0 10 a\n")
    with pytest.raises(UserError, match=r"x\.PHN: no audio of the same name"):
        read_labelled(tmp_path, limit=None)
    (tmp_path / "x.WAV").touch()
    assert read_labelled(tmp_path, limit=None) == [(tmp_path / "x.WAV", [(0, 10, "a")])]
    with pytest.raises(UserError, match="1 kinds of phones"):
        quality([labels_of("aaa")], [np.zeros(3, np.int32)])


class FakeVoice:
    """Speaks given waveforms, one after the other, whatever the streams."""

    def __init__(self, waveforms):
        self.waveforms = waveforms

    def load(self):
        left = iter(self.waveforms)
        return SimpleNamespace(synthesise=lambda streams: next(left))


class FakeEar:
    """Whisper takes seconds on noise and silence; this knows the original, silence and all else."""

    def __init__(self, waveform, text):
        self.waveform, self.text = waveform, text

    def __call__(self, waveforms):
        return [
            self.text if np.array_equal(heard, self.waveform) else "another thing was said" if heard.any() else ""
            for heard in waveforms
        ]


def test_known_voices_get_the_figures_they_must(monkeypatch):
    row = read_corpus(BUNDLED / "prompts/queries.tsv")[0]
    assert row.text == "The conference cannot be extended."
    waveform = sf.read(row.audio, dtype="float32")[0]
    utterances = [Utterance(row, waveform, "")]
    monkeypatch.setattr("pipelines.evaluate.resynth.transcribe", FakeEar(waveform, row.text))
    encoders = [FcpePitchConfig()]

    def score(spoken):
        outcome = evaluate_voice(
            utterances, encoders, FakeVoice([spoken]), variants=("expressive",), seed=0, say=lambda _: None
        )
        figures = {(figure.task, figure.measure): figure.value for figure in outcome.figures}
        assert figures["original", "WER"] == 0.0
        return {measure: value for (task, measure), value in figures.items() if task == "EXPRESSIVE"}

    assert score(waveform) == {"WER": 0.0, "F0 frame error": 0.0, "timbre similarity": pytest.approx(1.0)}
    silent = score(np.zeros_like(waveform))
    assert silent["WER"] == 1.0
    assert silent["F0 frame error"] > 0.3
    other = score(sf.read("examples/asterisk-en/audio/activated.flac", dtype="float32")[0])
    assert other["WER"] == 1.0
    assert silent["timbre similarity"] < other["timbre similarity"] < 0.98


def test_recordings_that_cannot_be_read_are_named(tmp_path):
    suite = suite_named("resynthesis")
    (tmp_path / "a.wav").write_bytes(b"no audio")
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(UserError, match=r"a\.wav \(a\): "):
        suite.run(lambda: 1 / 0, request_of(suite, data=tmp_path))


def test_a_corpus_leaves_nothing_out_silently(tmp_path):
    table = tmp_path / "t.tsv"
    table.write_text("id\taudio\ttext\na\ta.wav\thello\nb\tb.wav\n")
    with pytest.raises(UserError, match=r"t\.tsv: t\.tsv:3: the row has 2 cells"):
        read_corpus(table)
    table.write_text("id\taudio\ttext\nb\tb.wav\tx\na\ta.wav\t \n")
    with pytest.raises(UserError, match="a: no transcript"):
        read_corpus(table)
    tree = tmp_path / "1" / "2"
    tree.mkdir(parents=True)
    (tree / "1-2.trans.txt").write_text("1-2-0000 HELLO YOU\n")
    sf.write(tree / "1-2-0000.flac", np.zeros(1600), 16_000)
    rows = read_corpus(tmp_path / "1")
    assert [(row.utterance_id, row.text) for row in rows] == [("1-2-0000", "HELLO YOU")]
    assert isinstance(rows[0], SourceRow)
    with pytest.raises(UserError, match="no such file or folder"):
        read_corpus(tmp_path / "none")
