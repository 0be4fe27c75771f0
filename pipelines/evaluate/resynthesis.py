"""How much of a recording survives its tokens: encode, synthesise, then compare words and melody.

As in Spirit LM (Nguyen et al., 2025, resynthesis table): WER of the original and of both resyntheses, and the F0
frame error (Chu and Alwan, 2009) against the original.
"""

import time
from collections.abc import Callable, Sequence

import torch

from pipelines.evaluate.asr import transcribe, word_error_rate
from schemas.errors import UserError
from schemas.records import SAMPLE_RATE_HZ, Stream, Utterance, Waveform
from transforms.encoder import SpeechEncoderConfig
from transforms.pitch.contour import F0Contour, f0_frame_error
from transforms.pitch.fcpe_f0 import FcpeF0
from transforms.vocoder.protocol import Vocoder

_F0_THRESHOLD = 0.05  # FCPE's confidence below which a frame is unvoiced, as the pitch encoder has it


def evaluate_resynthesis(
    utterances: Sequence[Utterance],
    encoders: Sequence[SpeechEncoderConfig],
    vocoder: Vocoder,
    *,
    sample: int | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """WER, F0 frame error and speed of EXPRESSIVE (all streams) and BASE (units only) resynthesis.

    Args:
        utterances: English recordings with their texts.
        encoders: Units, and pitch and style if the vocoder speaks them.
        sample: Evaluate the first so many by id; all if None.
        clock: Seconds, for the speed.

    Raises:
        UserError: There is nothing to evaluate, or the vocoder speaks other codes.
    """
    chosen = sorted(utterances, key=lambda utterance: utterance.row.utterance_id)[:sample]
    if not chosen:
        raise UserError("evaluate: there are no recordings to resynthesise")
    streams = encode_streams([utterance.waveform for utterance in chosen], encoders)
    started = clock()
    expressive = [vocoder.synthesise(each) for each in streams]
    elapsed = max(clock() - started, 1e-9)
    base = [vocoder.synthesise([stream for stream in each if stream.kind == "units"]) for each in streams]
    seconds = sum(len(waveform) for waveform in expressive) / SAMPLE_RATE_HZ
    originals = [utterance.waveform for utterance in chosen]
    texts = [utterance.row.text for utterance in chosen]
    estimator = FcpeF0(device=torch.device("cpu"), threshold=_F0_THRESHOLD)
    contours = [estimator.contour(waveform) for waveform in originals]
    figures = {
        "utterances": float(len(chosen)),
        "seconds": seconds,
        "wer_original": word_error_rate(texts, transcribe(originals)),
        "times_real_time": seconds / elapsed,
    }
    for name, waveforms in (("expressive", expressive), ("base", base)):
        figures[f"wer_{name}"] = word_error_rate(texts, transcribe(waveforms))
        heard = [estimator.contour(waveform) for waveform in waveforms]
        errors = [f0_frame_errors(true, other) for true, other in zip(contours, heard, strict=True)]
        figures[f"f0_frame_error_{name}"] = sum(wrong for wrong, _ in errors) / sum(total for _, total in errors)
    return figures


def encode_streams(waveforms: Sequence[Waveform], encoders: Sequence[SpeechEncoderConfig]) -> list[tuple[Stream, ...]]:
    """The raw streams of each recording, in the order of ``encoders``."""
    columns = []
    for config in encoders:
        encoder = config.load()
        columns.append(
            [
                Stream(config.stream_kind, config.hop_samples, config.codebook_size, ids, config.fingerprint)
                for ids in encoder.encode(list(waveforms))
            ]
        )
    return list(zip(*columns, strict=True))


def f0_frame_errors(true: F0Contour, other: F0Contour) -> tuple[int, int]:
    """Frames with a wrong voicing decision or an F0 more than 20 % off, and all frames.

    Compared over the shorter of the two: a resynthesis is padded to whole units.
    """
    frames = min(len(true.voiced), len(other.voiced))
    if frames == 0:
        return 0, 0
    first, second = (F0Contour(contour.f0_hz[:frames], contour.voiced[:frames]) for contour in (true, other))
    return round(f0_frame_error(first, second) * frames), frames
