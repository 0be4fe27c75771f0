"""Token sequences and dead letters in the form in which a person reads them."""

from collections import defaultdict
from collections.abc import Callable, Iterable

from pipelines.report.data import DroppedCause, StreamSegment
from schemas.records import DeadLetter, TokenSequence
from schemas.vocabulary import VocabularyLayout


def readable_segments(
    sequence: TokenSequence, layout: VocabularyLayout, decode_text: Callable[[list[int]], str]
) -> tuple[StreamSegment, ...]:
    """A sequence's segments as a person reads them.

    Args:
        decode_text: The text tokenizer's ``decode``. A span of text is decoded as a whole, because its pieces alone
            may be parts of a letter and lack the spaces between words.
    """
    added = layout.added_tokens()
    segments = []
    for segment in sequence.segments:
        ids = [int(token) for token in sequence.tokens[segment.token_start : segment.token_end]]
        marker, *body = ids
        if segment.modality == "text":
            pieces: tuple[str, ...] = (decode_text(body),)
        else:
            pieces = tuple(added[token - layout.text_size] for token in body)
        name = added[marker - layout.text_size]
        segments.append(
            StreamSegment(segment.modality, name, pieces, len(ids), segment.start_sample, segment.end_sample)
        )
    return tuple(segments)


def dropped_causes(letters: Iterable[DeadLetter], *, examples: int = 3) -> tuple[DroppedCause, ...]:
    """Dead letters by stage, code and outcome, the most frequent first."""
    groups: dict[tuple[str, str, str], list[DeadLetter]] = defaultdict(list)
    for letter in sorted(letters):
        groups[letter.stage, letter.code, letter.outcome].append(letter)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(
        DroppedCause(
            stage,
            code,
            members[0].outcome,
            len(members),
            tuple((letter.utterance_id, letter.detail) for letter in members[:examples]),
        )
        for (stage, code, _), members in ordered
    )
