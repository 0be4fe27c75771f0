"""A trained model that reads and writes text and speech."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipelines.infer.parts import (
    Output,
    Part,
    Speech,
    check_fingerprints,
    decode_tokens,
    encode_parts,
    grammar_for,
    marker_of,
    modality_of,
    speak_tokens,
    stream_fingerprints,
)
from pipelines.infer.sampling import Decoding, generate_tokens, log_likelihoods
from pipelines.train.export import read_about
from schemas.errors import RecordError, UserError
from schemas.records import STREAM_KINDS, Modality, SourceRow, Stream, StreamKind, Waveform
from schemas.vocabulary import VocabularyLayout
from transforms.audio import decode
from transforms.encoder import SpeechEncoder, SpeechEncoderConfig
from transforms.streams import ceil_div
from transforms.text.protocol import TextTokenizer
from transforms.text.tokenizer import load_tokenizer
from transforms.vocoder.protocol import Vocoder


@dataclass(frozen=True, slots=True)
class Score:
    """Log-likelihood of a candidate (its leading marker not counted), summed, and the number of its tokens."""

    log_likelihood: float
    tokens: int

    @property
    def per_token(self) -> float:
        return self.log_likelihood / self.tokens


class SpeechTextModel:
    """Generates and scores lists of ``Text`` and ``Speech``.

    ``load`` it from the folder that ``plait train`` writes. Encoders are needed for prompts with audio, a vocoder for
    answers that can be heard.
    """

    def __init__(
        self,
        model: Any,
        *,
        layout: VocabularyLayout,
        tokenizer: TextTokenizer,
        hops: dict[StreamKind, int],
        context: int,
        vocoder: Vocoder | None = None,
        encoders: Sequence[SpeechEncoderConfig] = (),
    ) -> None:
        self.model = model.eval()
        self.layout = layout
        self.tokenizer = tokenizer
        self.hops = hops
        self.context = context
        self.vocoder = vocoder
        if vocoder is not None:
            known = {
                kind: vocoder.stream_fingerprints[kind] for kind in STREAM_KINDS if kind in vocoder.stream_fingerprints
            }
            check_fingerprints(layout, known, what="vocoder")
        check_fingerprints(layout, {e.stream_kind: e.fingerprint for e in encoders}, what="encoder")
        self._configs = {encoder.stream_kind: encoder for encoder in encoders}
        self._encoders: dict[StreamKind, SpeechEncoder] = {}

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        vocoder: Vocoder | None = None,
        encoders: Sequence[SpeechEncoderConfig] = (),
        device: str = "auto",
    ) -> "SpeechTextModel":
        """Open an exported model; float32 on a CPU, bfloat16 on CUDA.

        Raises:
            UserError: Not an exported model, or an encoder or the vocoder is of other codebooks.
        """
        from transformers import AutoModelForCausalLM

        folder = Path(folder)
        about = read_about(folder)
        chosen = torch.device(
            "cuda" if device == "auto" and torch.cuda.is_available() else device.replace("auto", "cpu")
        )
        dtype = torch.bfloat16 if chosen.type == "cuda" else torch.float32
        model = AutoModelForCausalLM.from_pretrained(
            folder, local_files_only=True, dtype=dtype, attn_implementation="sdpa"
        )
        return cls(
            model.to(chosen),
            layout=VocabularyLayout.from_json(about["layout"]),
            tokenizer=load_tokenizer(folder / about["text_tokenizer"]),
            hops=about["hops"],
            context=about["context"],
            vocoder=vocoder,
            encoders=encoders,
        )

    def generate(
        self,
        prompts: Sequence[Sequence[Part]],
        *,
        output: Output,
        max_new_tokens: int = 256,
        min_new_tokens: int = 0,
        temperature: float = 0.8,
        top_p: float = 0.95,
        seed: int = 0,
        speaker: str | None = None,
    ) -> list[list[Part]]:
        """Continue each prompt in the output modality, up to the end of a document (not before ``min_new_tokens``) or
        ``max_new_tokens``.

        Tokens of the other modality and padding are never drawn; ``any`` lets the model switch, by a marker.
        Another modality than the prompt's last is asked for by its marker, as in training. A prompt's draws depend
        on ``seed`` and its place in the list.

        Raises:
            UserError: A prompt is too long for the context, its audio cannot be read, or an encoder is missing.
        """
        encoded = [self._open_prompt(prompt, output) for prompt in prompts]
        room = [self.context - len(tokens) for tokens in encoded]
        if min(room, default=1) < 1:
            longest = max(map(len, encoded))
            raise UserError(f"a prompt has {longest} tokens; the model's context is {self.context}: shorten it")
        if not encoded:
            return []
        decoding = Decoding(max_new_tokens, temperature, top_p, seed, min_new_tokens)
        grammars = [
            grammar_for(
                output,
                last=_last_modality(prompt) if prompt else None,
                layout=self.layout,
                rows=int(self.model.config.vocab_size),
                tokenizer=self.tokenizer,
            )
            for prompt in prompts
        ]
        outputs = generate_tokens(
            self.model,
            encoded,
            grammars=grammars,
            eos=self.tokenizer.eos_id,
            decoding=decoding,
            max_new=[min(max_new_tokens, left) for left in room],
        )
        return [
            decode_tokens(
                tokens,
                first=grammar.first,
                layout=self.layout,
                tokenizer=self.tokenizer,
                speak=lambda run: speak_tokens(
                    run,
                    layout=self.layout,
                    hops=self.hops,
                    fingerprints=stream_fingerprints(self.layout),
                    vocoder=self.vocoder,
                    speaker=speaker,
                ),
            )
            for grammar, tokens in zip(grammars, outputs, strict=True)
        ]

    def score(self, prompt: Sequence[Part], candidates: Sequence[Sequence[Part]]) -> list[Score]:
        """Log-likelihood of each candidate after the prompt, in one batch.

        Raises:
            UserError: As ``generate``; or a candidate has no token.
        """
        if not candidates:
            return []
        opened = [self.tokenizer.bos_id, *self._encode(prompt)]
        after = _last_modality(prompt) if prompt else None
        sequences, starts = [], []
        for candidate in candidates:
            tokens = self._encode(candidate, after=after)
            skip = int(bool(tokens) and tokens[0] in (self.layout.text_marker, self.layout.speech_marker))
            if len(tokens) == skip:
                raise UserError("a candidate has no token to score")
            sequences.append([*opened, *tokens])
            starts.append(len(opened) + skip)
        if max(map(len, sequences)) > self.context:
            raise UserError(f"prompt and candidate are longer than the model's context of {self.context} tokens")
        scores = log_likelihoods(self.model, sequences, starts=starts)
        return [Score(float(values.sum()), len(values)) for values in scores]

    def _open_prompt(self, prompt: Sequence[Part], output: Output) -> list[int]:
        if not prompt and output == "any":
            raise UserError("an empty prompt needs an output of text or speech")
        tokens = [self.tokenizer.bos_id, *self._encode(prompt)]
        if output != "any" and (not prompt or _last_modality(prompt) != output):
            tokens.append(marker_of(output, self.layout))
        return tokens

    def _encode(self, parts: Sequence[Part], after: Modality | None = None) -> list[int]:
        return encode_parts(
            parts, layout=self.layout, tokenizer=self.tokenizer, encode_audio=self.encode_audio, after=after
        )

    def encode_audio(self, part: Speech) -> tuple[Stream, ...]:
        """Raw streams of a spoken part; those it carries already are taken as they are.

        Raises:
            UserError: Its audio cannot be read, a stream is of another codebook, or an encoder is missing.
        """
        if part.streams:
            check_fingerprints(self.layout, {stream.kind: stream.fingerprint for stream in part.streams}, what="prompt")
            return part.streams
        waveform = _waveform(part)
        streams: list[Stream] = []
        for kind in STREAM_KINDS:
            if not self.layout.codebook_size(kind):
                continue
            if kind not in self._configs:
                raise UserError(f"a spoken prompt needs the {kind} encoder of the model's corpus")
            config = self._configs[kind]
            if kind not in self._encoders:
                self._encoders[kind] = config.load()
            (ids,) = self._encoders[kind].encode([waveform])
            if len(ids) != ceil_div(len(waveform), config.hop_samples):
                raise RuntimeError(f"{kind} encoder gave {len(ids)} frames for {len(waveform)} samples")
            streams.append(Stream(kind, config.hop_samples, config.codebook_size, ids, config.fingerprint))
        return tuple(streams)


def _last_modality(parts: Sequence[Part]) -> Modality:
    return modality_of(parts[-1])


def _waveform(part: Speech) -> Waveform:
    if isinstance(part.audio, np.ndarray):
        return part.audio.astype(np.float32)
    if part.audio is None:
        raise UserError("a spoken prompt has neither audio nor streams")
    try:
        return decode(SourceRow("prompt", str(part.audio), ""))[0]
    except RecordError as error:
        raise UserError(f"cannot read {part.audio}: {error.detail}") from error
