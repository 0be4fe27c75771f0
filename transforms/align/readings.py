"""Lets the audio choose how a text was read: ``1234`` digit by digit, as two pairs, or as a quantity.

The likeliest readings are aligned first. Then each slot with several readings is settled by itself, on the stretch
of audio around it, and the utterance is aligned once more with what was chosen::

    words      you  can  dial | five hundred |  to  attempt  an      first alignment
    stretch    [------------------------------------------]      the slot and 3 words on either side
    rivals     you can dial five zero zero to attempt an             the best log-likelihood a frame wins

A text with one reading costs one alignment, and an aligner of two steps compares readings by its first.
"""

from collections.abc import Callable, Sequence

from schemas.errors import RecordError
from schemas.records import SourceRow, SpokenWord, Waveform
from transforms.align.protocol import (
    LOG_LIKELIHOOD,
    Aligner,
    Alignment,
    BatchAligner,
    LanguageBound,
    RefiningAligner,
    RowAligner,
)
from transforms.text.language_codes import base_language
from transforms.text.verbalise import Slot, slots, speak

Align = Callable[[Waveform, Sequence[SpokenWord]], Alignment]

CONTEXT_WORDS = 3
MIN_GAIN_NATS = 0.1
"""A rival must beat the likelier reading by this much a frame; what sounds alike stays as it is."""


def align_rows(
    aligner: Aligner | RowAligner, rows: Sequence[SourceRow], waveforms: Sequence[Waveform]
) -> list[Alignment | RecordError]:
    """Align each row; the error of one that fails stands in its place.

    Texts with one reading go to an aligner that takes batches all at once.
    """
    found: dict[int, Alignment | RecordError] = {}
    if isinstance(aligner, BatchAligner):
        plain = {place: words for place, row in enumerate(rows) if (words := only_reading(row)) is not None}
        together = aligner.align_batch([waveforms[place] for place in plain], list(plain.values())) if plain else []
        found = dict(zip(plain, together, strict=True))
    return [
        found[place] if place in found else _align_or_error(aligner, row, waveform)
        for place, (row, waveform) in enumerate(zip(rows, waveforms, strict=True))
    ]


def only_reading(row: SourceRow) -> tuple[SpokenWord, ...] | None:
    """The words of a text that can be read in one way only."""
    try:
        parts = slots(row.text, row.language)
    except RecordError:
        return None
    words = speak(parts, [0] * len(parts))
    return tuple(words) if words and all(len(slot.readings) == 1 for slot in parts) else None


def _align_or_error(aligner: Aligner | RowAligner, row: SourceRow, waveform: Waveform) -> Alignment | RecordError:
    try:
        return align_row(aligner, row, waveform)
    except RecordError as error:
        return error


def align_row(aligner: Aligner | RowAligner, row: SourceRow, waveform: Waveform) -> Alignment:
    """Align a row's text: by row where the aligner asks for one, else in the reading that fits the audio best.

    Raises:
        RecordError: See ``align_text``, or what the aligner raises.
    """
    if isinstance(aligner, RowAligner):
        return aligner.align_row(row, waveform)
    return align_text(aligner, waveform, row.text, row.language)


def check_language(aligner: Aligner, language: str) -> None:
    """Raises: RecordError: ``unsupported_language``: not one of the aligner's."""
    if isinstance(aligner, LanguageBound) and base_language(language) not in aligner.languages:
        known = ", ".join(sorted(aligner.languages))
        raise RecordError("unsupported_language", f"the aligner does not speak {language!r} (it speaks: {known})")


def align_text(aligner: Aligner, waveform: Waveform, text: str, language: str) -> Alignment:
    """Align a text in the reading that fits the audio best.

    An aligner whose alignments carry no ``log_likelihood`` is asked for the likeliest reading only.

    Raises:
        RecordError: ``unsupported_language`` (not one of the aligner's), ``unknown_language``, ``no_words`` (nothing
            in the text is spoken), or what the aligner raises for both the likeliest and the shortest readings.
    """
    check_language(aligner, language)
    parts = slots(text, language)
    choice = [0] * len(parts)
    if not speak(parts, choice):
        raise RecordError("no_words", "nothing in the transcript is spoken", outcome="filtered")
    if isinstance(aligner, RefiningAligner):
        return aligner.refine(waveform, _best_reading(aligner.place, waveform, parts, choice))
    return _best_reading(aligner.align, waveform, parts, choice)


def _best_reading(align: Align, waveform: Waveform, parts: Sequence[Slot], choice: list[int]) -> Alignment:
    try:
        first = align(waveform, speak(parts, choice))
    except RecordError:
        choice = [_shortest(slot) for slot in parts]
        if not any(choice):
            raise
        first = align(waveform, speak(parts, choice))
    if LOG_LIKELIHOOD not in first.scores:
        return first
    settled = [
        _settle(align, waveform, first, parts, choice, place) if len(slot.readings) > 1 else choice[place]
        for place, slot in enumerate(parts)
    ]
    if settled == choice or not speak(parts, settled):
        return first
    try:
        second = align(waveform, speak(parts, settled))
    except RecordError:
        return first
    return second if second.scores[LOG_LIKELIHOOD] > first.scores[LOG_LIKELIHOOD] else first


def _settle(
    align: Align, waveform: Waveform, first: Alignment, parts: Sequence[Slot], choice: Sequence[int], place: int
) -> int:
    """The best reading of one slot, judged on the stretch that the first alignment gives it and its neighbours."""
    sizes = [len(slot.readings[index]) for slot, index in zip(parts, choice, strict=True)]
    begin = sum(sizes[:place])
    end = begin + sizes[place]
    left, right = max(0, begin - CONTEXT_WORDS), min(len(first.words), end + CONTEXT_WORDS)
    start = 0 if left == 0 else first.words[left].start_sample
    stop = len(waveform) if right == len(first.words) else first.words[right - 1].end_sample
    spoken = speak(parts, choice)
    slot = parts[place]
    best, best_fit = choice[place], -float("inf")
    order = [choice[place], *(index for index in range(len(slot.readings)) if index != choice[place])]
    for index in order:
        reading = [SpokenWord(word, slot.char_start, slot.char_end) for word in slot.readings[index]]
        rival = (*spoken[left:begin], *reading, *spoken[end:right])
        if not rival:
            continue
        try:
            fit = align(waveform[start:stop], rival).scores[LOG_LIKELIHOOD]
        except RecordError:
            continue
        if fit > best_fit + (MIN_GAIN_NATS if index != choice[place] else 0.0):
            best, best_fit = index, fit
    return best


def _shortest(slot: Slot) -> int:
    return min(range(len(slot.readings)), key=lambda index: len(slot.readings[index]))
