"""A trained model that reads and writes text and speech."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack, cast, overload

import torch

from pipelines.infer.listening import Listener
from pipelines.infer.parts import (
    Grammar,
    Output,
    Part,
    Speech,
    Text,
    check_fingerprints,
    decode_tokens,
    grammar_for,
    speak_tokens,
    stream_fingerprints,
)
from pipelines.infer.prompts import PromptEncoder, last_modality
from pipelines.infer.sampling import Decoding, Finished, GenerateOptions, decode_steps, generate_tokens
from pipelines.infer.scoring import Score, score_sequences
from pipelines.infer.spiritlm import is_spiritlm, read_spiritlm
from pipelines.infer.streaming import AnswerStream, SpeechStream, TextStream
from pipelines.train.export import PLAIT_FILE, read_about
from pipelines.train.model import open_pretrained
from schemas.errors import UserError
from schemas.records import STREAM_KINDS, Stream, StreamKind
from schemas.vocabulary import VocabularyLayout
from transforms.encoder import SpeechEncoderConfig
from transforms.text.protocol import TextTokenizer
from transforms.text.tokenizer import load_tokenizer
from transforms.vocoder.protocol import Vocoder

__all__ = ["Score", "SpeechTextModel"]


class SpeechTextModel:
    """Generates and scores lists of ``Text`` and ``Speech``.

    ``load`` it from the folder that ``plait train`` writes, or from a released Spirit LM checkpoint. Encoders are
    needed for prompts with audio, a vocoder for answers that can be heard.
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
        self._listener = Listener(layout, encoders)
        self._prompts = PromptEncoder(layout=layout, tokenizer=tokenizer, listener=self._listener, context=context)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        vocoder: Vocoder | None = None,
        encoders: Sequence[SpeechEncoderConfig] = (),
        device: str = "auto",
    ) -> "SpeechTextModel":
        """Open an exported model, or a Spirit LM checkpoint (as ``load_spiritlm`` without ``codebooks``).

        The weights are float32 on a CPU, bfloat16 on CUDA.

        Raises:
            UserError: Not such a model, it is damaged, its text tokenizer is another than it was trained with, or an
                encoder or the vocoder is of other codebooks.
        """
        folder = Path(folder)
        if not (folder / PLAIT_FILE).is_file() and is_spiritlm(folder):
            return cls.load_spiritlm(folder, vocoder=vocoder, encoders=encoders, device=device)
        about = read_about(folder)
        layout, tokenizer = (
            VocabularyLayout.from_json(about["layout"]),
            load_tokenizer(folder / about["text_tokenizer"]),
        )
        if tokenizer.fingerprint != layout.text_fingerprint:
            raise UserError(
                f"{folder / about['text_tokenizer']}: it is {tokenizer.fingerprint}, the model was trained with "
                f"{layout.text_fingerprint}; copy the model anew"
            )
        return cls(
            _load_weights(folder, device),
            layout=layout,
            tokenizer=tokenizer,
            hops=about["hops"],
            context=about["context"],
            vocoder=vocoder,
            encoders=encoders,
        )

    @classmethod
    def load_spiritlm(
        cls,
        folder: str | Path,
        *,
        codebooks: Mapping[StreamKind, str] | None = None,
        vocoder: Vocoder | None = None,
        encoders: Sequence[SpeechEncoderConfig] = (),
        device: str = "auto",
    ) -> "SpeechTextModel":
        """Open a released Spirit LM checkpoint: a Hugging Face Llama with its SentencePiece ``tokenizer.model``.

        Args:
            codebooks: By stream, the fingerprint of the encoder that has the checkpoint's own codebook. The checkpoint
                doesn't say what its units mean, so without this every encoder and vocoder is refused, and speech
                comes and goes as ``Speech.tokens``.

        Raises:
            UserError: Not that layout, or an encoder or the vocoder is not one that ``codebooks`` names.
        """
        folder = Path(folder)
        found = read_spiritlm(folder, codebooks=codebooks or {})
        return cls(
            _load_weights(folder, device),
            layout=found.layout,
            tokenizer=found.tokenizer,
            hops=found.hops,
            context=found.context,
            vocoder=vocoder,
            encoders=encoders,
        )

    @overload
    def generate(
        self, prompts: Sequence[Part], *, output: Output, **options: Unpack[GenerateOptions]
    ) -> list[Part]: ...

    @overload
    def generate(
        self, prompts: Sequence[Sequence[Part]], *, output: Output, **options: Unpack[GenerateOptions]
    ) -> list[list[Part]]: ...

    def generate(
        self,
        prompts: Sequence[Part] | Sequence[Sequence[Part]],
        *,
        output: Output,
        max_new_tokens: int = 256,
        min_new_tokens: int = 0,
        temperature: float = 0.8,
        top_p: float = 0.95,
        seed: int = 0,
        speaker: str | None = None,
        stop: str | None = None,
        until_switch: bool = False,
        truncate_prompt: bool = False,
    ) -> list[Part] | list[list[Part]]:
        """Continue each prompt in the output modality, up to the end of a document (not before ``min_new_tokens``) or
        ``max_new_tokens``. One prompt, a list of parts, gives one answer; a list of prompts as many answers.

        Tokens of the other modality and padding are never drawn; ``any`` lets the model switch, by a marker.
        Another modality than the prompt's last is asked for by its marker, as in training. A prompt's draws depend
        on ``seed`` and its place in the list.

        Args:
            stop: An answer ends where its text holds this string, which stays in it.
            until_switch: An answer in text or speech ends where the model would go on in the other modality.
            truncate_prompt: Of a prompt too long for the context the last tokens are kept, after BOS and the marker in
                force, the form of a later piece of a long utterance in training. The answer keeps room for
                ``max_new_tokens``, or half the context if that is less.

        Raises:
            UserError: A prompt is too long for the context, its audio cannot be read, or an encoder is missing.
        """
        one = bool(prompts) and isinstance(prompts[0], Text | Speech)
        batch = cast(Sequence[Sequence[Part]], [prompts] if one else prompts)
        encoded = self._prompts.open(batch, output, reserve=max_new_tokens if truncate_prompt else None)
        if not encoded:
            return []
        grammars = [self._grammar(prompt, output, until_switch) for prompt in batch]
        outputs = generate_tokens(
            self.model,
            encoded,
            grammars=grammars,
            pad=self.tokenizer.eos_id,
            decoding=Decoding(max_new_tokens, temperature, top_p, seed, min_new_tokens),
            max_new=[min(max_new_tokens, self.context - len(tokens)) for tokens in encoded],
            finished=self._stopper(stop),
        )
        answers = [
            decode_tokens(
                tokens,
                first=grammar.first,
                layout=self.layout,
                tokenizer=self.tokenizer,
                speak=lambda run: self._speak(run, speaker),
            )
            for grammar, tokens in zip(grammars, outputs, strict=True)
        ]
        return answers[0] if one else answers

    def stream(
        self,
        prompt: Sequence[Part],
        *,
        output: Output,
        max_new_tokens: int = 256,
        min_new_tokens: int = 0,
        temperature: float = 0.8,
        top_p: float = 0.95,
        seed: int = 0,
        speaker: str | None = None,
        stop: str | None = None,
        until_switch: bool = False,
        truncate_prompt: bool = False,
        first_chunk_s: float = 0.5,
    ) -> Iterator[Part]:
        """The answer of ``generate([prompt], ...)``, part by part while tokens are still being drawn.

        ``Text`` parts are what is new of the text; ``Speech`` parts have new tokens and, with a vocoder, new audio
        (no streams). Joined they are ``generate``'s text and tokens exactly, and its audio within the vocoder's
        rounding. Audio comes late by the vocoder's lookahead (1.5 s for the bundled one), and begins when every
        stream that the vocoder speaks has had a token.

        Args:
            first_chunk_s: Seconds of audio in the first chunk at least; later ones are longer.

        Raises:
            UserError: As ``generate``, before the first part.
        """
        (opened,) = self._prompts.open([prompt], output, reserve=max_new_tokens if truncate_prompt else None)
        grammar = self._grammar(prompt, output, until_switch)
        steps = decode_steps(
            self.model,
            [opened],
            grammars=[grammar],
            pad=self.tokenizer.eos_id,
            decoding=Decoding(max_new_tokens, temperature, top_p, seed, min_new_tokens),
            max_new=[min(max_new_tokens, self.context - len(opened))],
            finished=self._stopper(stop),
        )
        answer = AnswerStream(
            first=grammar.first,
            layout=self.layout,
            text=lambda: TextStream(self.tokenizer),
            speech=lambda: SpeechStream(
                layout=self.layout,
                vocoder=self.vocoder,
                unit_hop=self.hops["units"],
                speak=lambda run: self._speak(run, speaker),
                chunk_s=first_chunk_s,
            ),
        )

        def parts() -> Iterator[Part]:
            for _, token in steps:
                yield from answer.push(token)
            yield from answer.finish()

        return parts()

    def score(self, prompt: Sequence[Part], candidates: Sequence[Sequence[Part]]) -> list[Score]:
        """Log-likelihood of each candidate after the prompt; see ``score_pairs``."""
        return self.score_pairs([(prompt, candidate) for candidate in candidates])

    def score_pairs(
        self, pairs: Sequence[tuple[Sequence[Part], Sequence[Part]]], *, tokens_per_batch: int = 4096
    ) -> list[Score]:
        """Log-likelihood of many candidates, each after its prompt, in batches of similar length.

        Args:
            pairs: Prompt, which may be empty, and candidate.
            tokens_per_batch: Padded size of a batch; the logits take ``tokens_per_batch`` x vocabulary.

        Raises:
            PairsError: Candidates have no token, or they and their prompts are longer than the context.
            UserError: Audio cannot be read, or an encoder is missing.
        """
        return score_sequences(self.model, self._prompts.pairs(pairs), tokens_per_batch=tokens_per_batch)

    def count_tokens(self, prompt: Sequence[Part], *, output: Output) -> int:
        """Tokens that ``generate`` would give the model for this prompt."""
        return len(self._prompts.whole([prompt], output)[0])

    @property
    def can_hear(self) -> bool:
        """Whether there is an encoder for each stream of the vocabulary."""
        return self._listener.can_encode

    def encode_audio(self, part: Speech) -> tuple[Stream, ...]:
        """Raw streams of a spoken part; those it carries already are taken as they are.

        Raises:
            UserError: Its audio cannot be read, a stream is of another codebook, or an encoder is missing.
        """
        return self.encode_speech([part])[0]

    def encode_speech(self, parts: Sequence[Speech]) -> list[tuple[Stream, ...]]:
        """``encode_audio`` of many parts, in batches; the encoders make the same of each whatever its batch mates."""
        return self._listener.streams(parts)

    def _grammar(self, prompt: Sequence[Part], output: Output, until_switch: bool) -> Grammar:
        if until_switch and output == "any":
            raise UserError("until_switch ends an answer in text or in speech; name one as the output")
        return grammar_for(
            output,
            last=last_modality(prompt),
            layout=self.layout,
            rows=int(self.model.config.vocab_size),
            tokenizer=self.tokenizer,
            until_switch=until_switch,
        )

    def _stopper(self, stop: str | None) -> Finished | None:
        if stop is None:
            return None

        def finished(row: int, tokens: Sequence[int]) -> bool:
            return stop in self.tokenizer.decode([token for token in tokens if token < self.layout.text_size])

        return finished

    def _speak(self, tokens: Sequence[int], speaker: str | None) -> Speech:
        return speak_tokens(
            tokens,
            layout=self.layout,
            hops=self.hops,
            fingerprints=stream_fingerprints(self.layout),
            vocoder=self.vocoder,
            speaker=speaker,
        )


def _load_weights(folder: Path, device: str) -> Any:
    cuda = device == "auto" and torch.cuda.is_available()
    chosen = torch.device("cuda" if cuda else device.replace("auto", "cpu"))
    dtype = torch.bfloat16 if chosen.type == "cuda" else torch.float32
    return open_pretrained(folder, dtype=dtype).to(chosen)
