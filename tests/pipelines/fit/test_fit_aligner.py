from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.fit.aligner import AlignerFitConfig, fit_aligner, frame_targets, read_phones, spoken_spans
from pipelines.fit.aligner_augment import altered
from schemas.errors import UserError
from schemas.records import SourceRow, Span, Utterance
from tests.pipelines.fit.listed import Listed
from transforms.align.phone_net import load_nets

PROMPT = Path(__file__).parents[3] / "examples" / "asterisk-en" / "audio" / "auth-incorrect.flac"
TINY = AlignerFitConfig(nets=2, channels=8, layers=1, steps=3, batch=2, crop_frames=50)


def recordings_in(folder):
    waveform, _ = soundfile.read(PROMPT, dtype="float32")
    half = len(waveform) / 32_000
    (folder / "one.phones").write_text(f"pau 0.1\nax {half:.3f}\nT {2 * half:.3f}\n")
    row = SourceRow("one", str(folder / "one.wav"), "a t", speaker="x", licence="free")
    return Listed(lambda: iter([Utterance(row, waveform, "")]))


def test_a_fit_repeats_to_the_byte_and_loads(tmp_path):
    recordings = recordings_in(tmp_path)
    for name in ("a", "b"):
        fit_aligner(recordings, TINY, seed=3, output=tmp_path / name, say=lambda line: None)
    written = [(tmp_path / name / "nets.safetensors").read_bytes() for name in ("a", "b")]
    assert written[0] == written[1]
    first, second = load_nets(tmp_path / "a" / "nets.safetensors")
    assert not all(bool((p == q).all()) for p, q in zip(first.parameters(), second.parameters(), strict=True))


@settings(max_examples=50, deadline=None)
@given(lengths_ms=st.lists(st.integers(5, 300), min_size=2, max_size=12), seed=st.integers(0, 99))
def test_targets_share_out_every_frame_and_all_time(lengths_ms, seed):
    rng = np.random.default_rng(seed)
    ends_s = np.cumsum(lengths_ms) / 1000
    phones = list(zip(rng.integers(0, 40, len(ends_s)).tolist(), ends_s.tolist(), strict=True))
    frames = int(ends_s[-1] * 100) + 3
    target = frame_targets(phones, frames)
    assert target.sum(axis=1) == pytest.approx(1, abs=1e-4)
    for phone in {phone for phone, _ in phones[1:-1]} - {phones[0][0], phones[-1][0]}:
        said_ms = sum(ms for ms, (name, _) in zip(lengths_ms, phones, strict=True) if name == phone)
        assert target[:, phone].sum() == pytest.approx(said_ms / 10, abs=1e-2)


def test_silence_is_not_spoken():
    assert spoken_spans([(0, 0.1), (5, 0.25), (0, 0.3), (7, 0.5)]) == [Span(1600, 4000), Span(4800, 8000)]


@given(seed=st.integers(0, 200))
@settings(max_examples=10, deadline=None)
def test_altered_speech_keeps_its_times_but_for_the_speed(seed):
    clicks = np.zeros(16_000, np.float32)
    clicks[[4000, 12_000]] = 0.9
    waveform, speed = altered(clicks, np.random.default_rng(seed))
    assert len(waveform) == pytest.approx(16_000 / speed, abs=2)
    assert np.abs(waveform).max() <= 1
    for click in (4000, 12_000):
        place = round(click / speed)
        assert np.abs(waveform[place - 3 : place + 4]).max() > 0.5 * np.abs(waveform).max()


@pytest.mark.parametrize("text", ["", "pau x\n", "pau 0.5\nt 0.2\n", "qq 0.5\n", "pau nan\n", "t inf\n"])
def test_wrong_phone_times_are_named(tmp_path, text):
    path = tmp_path / "one.phones"
    path.write_text(text)
    with pytest.raises(UserError, match=r"one\.phones"):
        read_phones(path)


def test_phone_times_are_utf_8_with_or_without_a_mark(tmp_path):
    path = tmp_path / "one.phones"
    path.write_text("pau 0.5\n", encoding="utf-8-sig")
    assert [end_s for _, end_s in read_phones(path)] == [0.5]
    path.write_text("pau 0.5\n", encoding="utf-16")
    with pytest.raises(UserError, match=r"one\.phones: not UTF-8"):
        read_phones(path)


def test_missing_phone_times_are_named(tmp_path):
    with pytest.raises(UserError, match="phone times are missing"):
        read_phones(tmp_path / "none.phones")
