"""Spoken parts of prompts to the raw streams of a model's vocabulary.

Audio beyond 100 s, the longest that a corpus has, is encoded in pieces of about equal length, cut where a frame of
every stream begins (every 2 s at hops of 640, 1280 and 16000 samples)::

    250 s   [   0 .. 82 s   |   82 .. 166 s   |   166 .. 250 s   ]

The pieces' frames are joined, so that a run of equal units over a cut is one token.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from pipelines.infer.parts import Speech, check_fingerprints, stream_fingerprints
from schemas.errors import RecordError, UserError
from schemas.records import SAMPLE_RATE_HZ, STREAM_KINDS, SourceRow, Stream, StreamKind, TokenIds, Waveform
from schemas.vocabulary import VocabularyLayout
from transforms.audio import MAX_DURATION_S, MIN_DURATION_S
from transforms.audio_reader import AudioReader
from transforms.encoder import SpeechEncoder, SpeechEncoderConfig
from transforms.streams import ceil_div

MAX_PROMPT_S = 3600.0
_BATCH_S = 200.0


class Listener:
    """Encodes audio with the encoders of the model's corpus, each loaded when it is first needed."""

    def __init__(self, layout: VocabularyLayout, encoders: Sequence[SpeechEncoderConfig]) -> None:
        """Raises UserError where an encoder is of another codebook."""
        check_fingerprints(layout, {e.stream_kind: e.fingerprint for e in encoders}, what="encoder")
        self._layout = layout
        self._configs = {encoder.stream_kind: encoder for encoder in encoders}
        self._encoders: dict[StreamKind, SpeechEncoder] = {}
        self._reader = AudioReader(max_duration_s=MAX_PROMPT_S)

    @property
    def can_encode(self) -> bool:
        return all(kind in self._configs for kind in self._kinds())

    def streams(self, parts: Sequence[Speech]) -> list[tuple[Stream, ...]]:
        """Raw streams of each part; those that it carries are taken as they are. An object that comes again is not
        encoded again.

        Raises:
            UserError: Audio cannot be read, is shorter than 80 ms or longer than an hour, a stream is of another
                codebook, or an encoder is missing.
        """
        found: dict[int, tuple[Stream, ...]] = {}
        waiting: dict[int, Waveform] = {}
        for part in parts:
            key = id(part)
            if key in found or key in waiting:
                continue
            if part.streams:
                known = {stream.kind: stream.fingerprint for stream in part.streams}
                check_fingerprints(self._layout, known, what="prompt")
                found[key] = part.streams
                continue
            self._require_encoders()
            waiting[key] = self._waveform(part)
            if sum(map(len, waiting.values())) > _BATCH_S * SAMPLE_RATE_HZ:
                found |= self._encode(waiting)
                waiting = {}
        found |= self._encode(waiting)
        return [found[id(part)] for part in parts]

    def _require_encoders(self) -> None:
        for kind in self._kinds():
            if kind not in self._configs:
                wanted = stream_fingerprints(self._layout).get(kind, "of its corpus")
                raise UserError(f"a spoken prompt needs the {kind} encoder that the model was trained on: {wanted}")

    def _kinds(self) -> list[StreamKind]:
        return [kind for kind in STREAM_KINDS if self._layout.codebook_size(kind)]

    def _encode(self, waveforms: dict[int, Waveform]) -> dict[int, tuple[Stream, ...]]:
        if not waveforms:
            return {}
        step = math.lcm(*(self._configs[kind].hop_samples for kind in self._kinds()))
        pieces = [(key, piece) for key, wave in waveforms.items() for piece in cut_pieces(wave, step_samples=step)]
        made: dict[int, list[Stream]] = {key: [] for key in waveforms}
        for kind in self._kinds():
            config = self._configs[kind]
            if kind not in self._encoders:
                self._encoders[kind] = config.load()
            codes: dict[int, list[TokenIds]] = {key: [] for key in waveforms}
            encoded = self._encoders[kind].encode([piece for _, piece in pieces])
            for (key, piece), ids in zip(pieces, encoded, strict=True):
                if len(ids) != ceil_div(len(piece), config.hop_samples):
                    raise RuntimeError(f"{kind} encoder gave {len(ids)} frames for {len(piece)} samples")
                codes[key].append(ids)
            for key, parts in codes.items():
                ids = np.concatenate(parts)
                made[key].append(Stream(kind, config.hop_samples, config.codebook_size, ids, config.fingerprint))
        return {key: tuple(streams) for key, streams in made.items()}

    def _waveform(self, part: Speech) -> Waveform:
        if part.audio is None:
            raise UserError("a spoken prompt has neither audio nor streams")
        if isinstance(part.audio, np.ndarray):
            waveform = part.audio.astype(np.float32)
            if len(waveform) < MIN_DURATION_S * SAMPLE_RATE_HZ:
                raise UserError(f"a spoken prompt has {len(waveform)} samples; 80 ms are needed at least")
            return waveform
        try:
            return self._reader.decode(SourceRow("prompt", str(part.audio), ""))[0]
        except RecordError as error:
            raise UserError(f"cannot read {part.audio}: {error.detail}") from error


def cut_pieces(waveform: Waveform, *, step_samples: int) -> Iterator[Waveform]:
    """Pieces of at most 100 s, cut at multiples of ``step_samples``, that differ by at most one step."""
    longest = int(MAX_DURATION_S * SAMPLE_RATE_HZ) // step_samples
    steps = ceil_div(len(waveform), step_samples)
    pieces = max(1, ceil_div(steps, longest))
    cuts = [steps * index // pieces * step_samples for index in range(pieces)]
    for start, end in pairwise([*cuts, len(waveform)]):
        yield waveform[start:end]
