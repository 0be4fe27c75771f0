import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st

from pipelines.evaluate.resynthesis import encode_streams, evaluate_resynthesis, f0_frame_errors
from schemas.errors import UserError
from schemas.records import SourceRow, Utterance
from transforms.pitch.contour import F0Contour
from transforms.pitch.fcpe import FcpePitchConfig
from transforms.style.prosody import ProsodyStyleConfig
from transforms.units.whisper import WhisperUnitsConfig
from transforms.vocoder.hifigan import HifiganConfig

CORPUS = Path(__file__).parents[3] / "examples" / "asterisk-en"
ENCODERS = (WhisperUnitsConfig(), FcpePitchConfig(), ProsodyStyleConfig())


def prompt(name: str) -> Utterance:
    with (CORPUS / "transcripts.tsv").open(encoding="utf-8") as lines:
        row = next(row for row in csv.DictReader(lines, delimiter="\t") if row["id"] == name)
    waveform = sf.read(CORPUS / row["audio"], dtype="float32")[0]
    return Utterance(SourceRow(name, row["audio"], row["text"], speaker=row["speaker"]), waveform, "")


def contour(f0: list[float]) -> F0Contour:
    f0_hz = np.array(f0, np.float32)
    return F0Contour(f0_hz, f0_hz > 0)


def test_wrong_voicing_and_gross_errors_are_counted() -> None:
    true = contour([0, 0, 100, 100, 100, 100])
    heard = contour([0, 90, 0, 119, 121, 200, 300])
    assert f0_frame_errors(true, heard) == (4, 6)


@given(f0=st.lists(st.sampled_from([0.0, 90.0, 100.0, 200.0]), max_size=30))
def test_a_melody_agrees_with_itself(f0: list[float]) -> None:
    assert f0_frame_errors(contour(f0), contour(f0)) == (0, len(f0))


def test_held_out_prompts_are_resynthesised_by_the_bundled_voice() -> None:
    utterances = [prompt("conf-nonextended"), prompt("confbridge-begin-glorious-a")]
    vocoder = HifiganConfig().load()
    figures = evaluate_resynthesis(utterances, ENCODERS, vocoder, sample=1)
    assert figures["utterances"] == 1
    assert figures["wer_original"] == 0.0
    assert figures["times_real_time"] > 0
    assert figures["wer_expressive"] <= 0.6
    assert figures["f0_frame_error_expressive"] < 0.2
    for streams, utterance in zip(encode_streams([u.waveform for u in utterances], ENCODERS), utterances, strict=True):
        waveform = vocoder.synthesise(streams)
        assert len(waveform) == 640 * -(-utterance.num_samples // 640)
        loudness, true_loudness = np.sqrt(np.mean(waveform**2)), np.sqrt(np.mean(utterance.waveform**2))
        assert true_loudness / 3 < loudness < true_loudness * 3


def test_there_must_be_something_to_evaluate() -> None:
    with pytest.raises(UserError, match="no recordings"):
        evaluate_resynthesis([], ENCODERS, HifiganConfig().load())
