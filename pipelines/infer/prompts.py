"""Prompts to the tokens that a model is given: BOS, a marker at each change of modality, within the context."""

from collections.abc import Mapping, Sequence

from pipelines.infer.listening import Listener
from pipelines.infer.parts import Output, Part, Speech, encode_parts, marker_of, modality_of
from pipelines.infer.scoring import ScoredSequence
from schemas.errors import RecordError, UserError
from schemas.records import Modality, Stream
from schemas.vocabulary import VocabularyLayout
from transforms.text.protocol import TextTokenizer

Heard = Mapping[int, tuple[Stream, ...]]  # streams of spoken parts, by the identity of the part


def last_modality(parts: Sequence[Part]) -> Modality | None:
    return modality_of(parts[-1]) if parts else None


class PairsError(UserError):
    """Prompts with candidates that cannot be scored; ``causes`` has all of them, by their place in the list."""

    def __init__(self, causes: Mapping[int, RecordError]) -> None:
        number, cause = next(iter(causes.items()))
        super().__init__(f"pair {number}: {cause.detail}")
        self.causes = causes


class PromptEncoder:
    """Tokens of prompts, and of prompts with candidates, under a model's layout."""

    def __init__(self, *, layout: VocabularyLayout, tokenizer: TextTokenizer, listener: Listener, context: int) -> None:
        self._layout = layout
        self._tokenizer = tokenizer
        self._listener = listener
        self._context = context
        self._markers = (layout.text_marker, layout.speech_marker)

    def open(self, prompts: Sequence[Sequence[Part]], output: Output, *, reserve: int | None) -> list[list[int]]:
        """Prompts as ``generate`` gives them to the model, each with room for an answer.

        Args:
            reserve: Of a prompt that leaves less room than this, or than half the context if that is less, the last
                tokens are kept: after BOS and the marker in force, the form in which training has the later pieces of
                a sequence longer than the context. None refuses a prompt that leaves no room.

        Raises:
            UserError: A prompt is too long or empty, or cannot be heard.
        """
        encoded = self.whole(prompts, output)
        if reserve is not None:
            limit = self._context - min(reserve, self._context // 2)
            return [self._last_tokens(tokens, limit) for tokens in encoded]
        longest = max(map(len, encoded), default=0)
        if longest >= self._context:
            raise UserError(
                f"a prompt has {longest} tokens; the model's context is {self._context}: shorten it, or keep its last "
                "tokens alone with truncate_prompt"
            )
        return encoded

    def whole(self, prompts: Sequence[Sequence[Part]], output: Output) -> list[list[int]]:
        """Tokens of prompts, however many."""
        heard = self._hear([part for prompt in prompts for part in prompt])
        opened = []
        for prompt in prompts:
            if not prompt and output == "any":
                raise UserError("an empty prompt needs an output of text or speech")
            tokens = [self._tokenizer.bos_id, *self._encode(prompt, heard)]
            if output != "any" and last_modality(prompt) != output:
                tokens.append(marker_of(output, self._layout))
            opened.append(tokens)
        return opened

    def pairs(self, pairs: Sequence[tuple[Sequence[Part], Sequence[Part]]]) -> list[ScoredSequence]:
        """Prompts with their candidates.

        Raises:
            PairsError: Candidates have no token, or they and their prompts are longer than the context.
            UserError: A recording cannot be heard.
        """
        heard = self._hear([part for pair in pairs for parts in pair for part in parts])
        sequences: list[ScoredSequence] = []
        causes: dict[int, RecordError] = {}
        for number, (prompt, candidate) in enumerate(pairs):
            opened = [self._tokenizer.bos_id, *self._encode(prompt, heard)]
            tokens = self._encode(candidate, heard, after=last_modality(prompt))
            skip = int(bool(tokens) and tokens[0] in self._markers)
            whole = (*opened, *tokens)
            if len(tokens) == skip:
                causes[number] = RecordError("no_token", "the candidate has no token to score")
            elif len(whole) > self._context:
                causes[number] = RecordError(
                    "too_long",
                    f"prompt and candidate have {len(whole)} tokens; the model's context is {self._context}",
                )
            else:
                sequences.append(ScoredSequence(whole, whole_start=2, start=len(opened) + skip))
        if causes:
            raise PairsError(causes)
        return sequences

    def _hear(self, parts: Sequence[Part]) -> Heard:
        spoken = [part for part in parts if isinstance(part, Speech) and not part.tokens]
        return {id(part): streams for part, streams in zip(spoken, self._listener.streams(spoken), strict=True)}

    def _encode(self, parts: Sequence[Part], heard: Heard, after: Modality | None = None) -> list[int]:
        return encode_parts(
            parts,
            layout=self._layout,
            tokenizer=self._tokenizer,
            encode_audio=lambda part: heard[id(part)],
            after=after,
        )

    def _last_tokens(self, tokens: list[int], limit: int) -> list[int]:
        if len(tokens) <= limit:
            return tokens
        kept = tokens[len(tokens) - (limit - 2) :]
        if kept[0] in self._markers:
            return [tokens[0], *kept]
        dropped = tokens[: len(tokens) - len(kept)]
        in_force = next(token for token in reversed(dropped) if token in self._markers)
        return [tokens[0], in_force, *kept]
