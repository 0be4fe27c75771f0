"""Token sequences and dead letters in the form in which a person reads them."""

from collections import defaultdict
from collections.abc import Callable, Iterable

from pipelines.report.data import DroppedCause, StreamSegment
from schemas.records import DeadLetter, TokenSequence
from schemas.vocabulary import VocabularyLayout


def readable_segments(
    sequence: TokenSequence, layout: VocabularyLayout, text_piece: Callable[[int], str]
) -> tuple[StreamSegment, ...]:
    """A sequence's segments with every token named; ``text_piece`` names a text token."""
    added = layout.added_tokens()

    def name(token: int) -> str:
        return text_piece(token) if token < layout.text_size else added[token - layout.text_size]

    return tuple(
        StreamSegment(
            segment.modality,
            tuple(name(int(token)) for token in sequence.tokens[segment.token_start : segment.token_end]),
            segment.start_sample,
            segment.end_sample,
        )
        for segment in sequence.segments
    )


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
