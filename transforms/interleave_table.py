"""Utterances as columns, ready to be cut at any word: what a token store becomes in a trainer's memory.

Deduplication, merging and tokenisation don't depend on the draw, so they are done once, and for a whole shard in a few
array operations. A draw is then a few slices. Of each utterance the table has its speech tokens with the index at which
every written word begins, and the same for its text tokens.

Cost: 4 bytes a token, 56 bytes a word.
"""

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np

from schemas.records import Segment, Span, StoredUtterance, Stream, TokenIds
from schemas.vocabulary import VocabularyLayout
from transforms.interleave_policies import WordRun
from transforms.interleave_words import NOTHING, WordForms, WordTokens
from transforms.merged_rows import Integers, merge_rows
from transforms.streams import merge_streams
from transforms.text.protocol import TextTokenizer
from transforms.written import behind_blanks, parted

WordPlace = tuple[int, int, int, int]  # start_sample, end_sample, char_start, char_end


@dataclass(frozen=True, slots=True)
class UtteranceTable:
    """Rows are utterances. Cuts of row ``r`` lie at ``[starts[r], starts[r + 1])``: one a written word, and the end.

    Args:
        speech, text, first: Tokens of all rows, int32; ``first`` has words as they are where a text begins.
        speech_cuts, text_cuts, first_cuts: Indices into them.
        samples, words: Each cut's sample, and its index among the spoken words.
        written: Text and character cuts of the rows whose spans the tokenizer must see as a whole.
        streams: Raw streams of every row, where pitch and style are stated again at each speech span.
    """

    ids: tuple[str, ...]
    starts: "array[int]"
    speech: TokenIds
    speech_cuts: "array[int]"
    text: TokenIds
    text_cuts: "array[int]"
    first: TokenIds
    first_cuts: "array[int]"
    samples: "array[int]"
    words: "array[int]"
    written: dict[int, tuple[str, list[int]]]
    streams: tuple[tuple[Stream, ...], ...]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def nbytes(self) -> int:
        """Of the arrays."""
        raw = sum(stream.ids.nbytes for streams in self.streams for stream in streams)
        return self.speech.nbytes + self.text.nbytes + self.first.nbytes + 8 * 5 * len(self.samples) + raw

    def num_words(self, row: int) -> int:
        """Written words of a row."""
        return self.starts[row + 1] - self.starts[row] - 1


class Cutter:
    """Token chunks of runs of a table's row; markers included."""

    def __init__(self, layout: VocabularyLayout, tokenizer: TextTokenizer) -> None:
        self._layout = layout
        self._tokenizer = tokenizer
        self._text = _markers(layout.text_marker)
        self._speech = _markers(layout.speech_marker)

    def chunks(self, table: UtteranceTable, row: int, runs: Sequence[WordRun]) -> list[TokenIds]:
        """Arrays that joined are the row's sequence: for each run its marker (twice where it says words again), and
        its tokens in one or two arrays."""
        if row in table.written or table.streams:
            return [chunk for run in runs for chunk in self._as_written(table, row, run, runs)]
        base = table.starts[row]
        chunks: list[TokenIds] = []
        for modality, start, end, again in runs:
            at, to = base + start, base + end
            if modality == "speech":
                chunks.append(self._speech[again])
                chunks.append(table.speech[table.speech_cuts[at] : table.speech_cuts[to]])
            else:
                chunks.append(self._text[again])
                chunks.append(table.first[table.first_cuts[at] : table.first_cuts[at + 1]])
                chunks.append(table.text[table.text_cuts[at + 1] : table.text_cuts[to]])
        return chunks

    def _as_written(
        self, table: UtteranceTable, row: int, run: WordRun, runs: Sequence[WordRun]
    ) -> tuple[TokenIds, TokenIds]:
        """The same where a text span must be encoded as a whole, or pitch and style are stated again."""
        base = table.starts[row]
        at, to = base + run.start, base + run.end
        if run.modality == "text":
            if row not in table.written:
                inner = table.text[table.text_cuts[at + 1] : table.text_cuts[to]]
                first = table.first[table.first_cuts[at] : table.first_cuts[at + 1]]
                return self._text[run.again], np.concatenate([first, inner])
            text, cuts = table.written[row]
            ids = self._tokenizer.encode(text[cuts[run.start] : cuts[run.end]].strip())
            return self._text[run.again], np.array(ids, dtype=np.int32)
        if not table.streams:
            return self._speech[run.again], table.speech[table.speech_cuts[at] : table.speech_cuts[to]]
        starts = sorted({table.samples[base + other.start] for other in runs})
        merged = merge_streams(table.streams[row], layout=self._layout, reemit_at=starts)
        return self._speech[run.again], merged.cut(Span(table.samples[at], table.samples[to]))

    def segments(self, table: UtteranceTable, row: int, runs: Sequence[WordRun]) -> tuple[Segment, ...]:
        """Where each run lies in the joined chunks, among the spoken words and in the audio."""
        base, length = table.starts[row], 0
        found: list[Segment] = []
        for run in runs:
            start = length
            length += sum(map(len, self._run_chunks(table, row, run, runs)))
            at, to = base + run.start, base + run.end
            spans = (table.words[at], table.words[to], table.samples[at], table.samples[to])
            found.append(Segment(run.modality, start, length, *spans))
        return tuple(found)

    def _run_chunks(self, table: UtteranceTable, row: int, run: WordRun, runs: Sequence[WordRun]) -> Sequence[TokenIds]:
        if row in table.written or table.streams:
            return self._as_written(table, row, run, runs)
        return self.chunks(table, row, [run])


def _markers(marker: int) -> tuple[TokenIds, TokenIds]:
    return np.array([marker], np.int32), np.array([marker, marker], np.int32)


class TableBuilder:
    """Collects utterances, then makes their table at once.

    Args:
        words: Tokens of single words; without, every text span is encoded when it is cut, which is dearer from the
            second draw on.
        keep_streams: Keep the raw streams, which ``reemit_context`` needs.
    """

    def __init__(self, *, layout: VocabularyLayout, words: WordTokens | None, keep_streams: bool) -> None:
        self._layout = layout
        self._word_tokens = words
        self._keep_streams = keep_streams
        self._ids: list[str] = []
        self._texts: list[str] = []
        self._places: list[WordPlace] = []
        self._num_words: list[int] = []
        self._num_samples: list[int] = []
        self._streams: list[Sequence[Stream]] = []

    def add(
        self,
        utterance_id: str,
        *,
        text: str,
        num_samples: int,
        words: Sequence[WordPlace],
        streams: Sequence[Stream],
    ) -> None:
        """Add one utterance with at least one word."""
        self._ids.append(utterance_id)
        self._texts.append(text)
        self._places += words
        self._num_words.append(len(words))
        self._num_samples.append(num_samples)
        self._streams.append(streams)

    def add_record(self, record: StoredUtterance) -> None:
        places = [(word.start_sample, word.end_sample, word.char_start, word.char_end) for word in record.words]
        self.add(
            record.utterance_id,
            text=record.text,
            num_samples=record.num_samples,
            words=places,
            streams=record.streams,
        )

    def build(self) -> UtteranceTable:
        """Raises ValueError where a word lies outside of its text."""
        rows = len(self._ids)
        starts, samples, words, chars = self._cuts()
        written, forms = self._forms(starts, chars)
        first, first_cuts = _laid_out([form.first for form in forms])
        text, text_cuts = _laid_out([form.inner for form in forms])
        merged = merge_rows(self._streams, layout=self._layout)
        row_of_cut = np.repeat(np.arange(rows), np.diff(starts))
        speech_cuts = merged.cuts(row_of_cut, samples)
        return UtteranceTable(
            ids=tuple(self._ids),
            starts=_integers(starts),
            speech=merged.tokens,
            speech_cuts=_integers(speech_cuts),
            text=text,
            text_cuts=_integers(text_cuts),
            first=first,
            first_cuts=_integers(first_cuts),
            samples=_integers(samples),
            words=_integers(words),
            written=written,
            streams=tuple(tuple(streams) for streams in self._streams) if self._keep_streams else (),
        )

    def _cuts(self) -> tuple[Integers, Integers, Integers, Integers]:
        """``starts`` of the rows, and of all cuts the samples, the spoken-word indices and the characters.

        Silence between two words is split at its middle; a cut is where a written word begins, its quotes included.
        Characters are counted in all texts joined, a space after each.
        """
        if not self._ids:
            none = np.zeros(0, np.int64)
            return np.zeros(1, np.int64), none, none, none
        flat = np.fromiter(chain.from_iterable(self._places), np.int64, 4 * len(self._places))
        begin, end, char_start, char_end = flat.reshape(-1, 4).T
        counts = np.array(self._num_words)
        row_ends = np.cumsum(counts)
        row_starts = row_ends - counts
        lengths = np.array([len(text) for text in self._texts])
        outside = (char_start < 0) | (np.maximum(char_start, char_end) > np.repeat(lengths, counts))
        if outside.any():
            row = int(np.searchsorted(row_ends, np.flatnonzero(outside)[0], side="right"))
            raise ValueError(f"a word of {self._ids[row]} lies outside of its text")
        is_first = np.zeros(len(begin), dtype=bool)
        is_first[row_starts] = True
        text_ends = np.cumsum(lengths + 1)
        text_starts = text_ends - lengths - 1
        shift = np.repeat(text_starts, counts)
        behind = behind_blanks(" ".join([*self._texts, ""]))
        opens = is_first.copy()
        opens[1:] |= parted(behind, shift[1:] + char_end[:-1], shift[1:] + char_start[1:])
        middles = np.zeros(len(begin), dtype=np.int64)
        middles[1:] = (end[:-1] + begin[1:]) // 2
        middles[is_first] = 0
        chars = behind[shift + char_start]
        chars[is_first] = text_starts
        index = np.arange(len(begin)) - np.repeat(row_starts, counts)
        groups = np.add.reduceat(opens.astype(np.int64), row_starts)
        group_ends = np.cumsum(groups)
        return (
            np.concatenate([[0], np.cumsum(groups + 1)]),
            np.insert(middles[opens], group_ends, self._num_samples),
            np.insert(index[opens], group_ends, counts),
            np.insert(chars[opens], group_ends, text_ends),
        )

    def _forms(self, starts: Integers, chars: Integers) -> tuple[dict[int, tuple[str, list[int]]], list[WordForms]]:
        """The rows that must be encoded as written, with their character cuts, and the tokens at every cut."""
        cuts, bounds = chars.tolist(), starts.tolist()
        joined = " ".join([*self._texts, ""])
        forms: list[WordForms | None] = [None] * len(cuts)
        if self._word_tokens is not None:
            forms = self._word_tokens.remembered(joined[at:to] for at, to in pairwise([*cuts, len(joined)]))
        for end in bounds[1:]:
            forms[end - 1] = NOTHING
        written: dict[int, tuple[str, list[int]]] = {}
        unknown = [place for place, form in enumerate(forms) if form is None]
        for row in sorted({bisect_right(bounds, place) - 1 for place in unknown}):
            start, end = bounds[row], bounds[row + 1]
            own = [cut - cuts[start] for cut in cuts[start : end - 1]] + [len(self._texts[row])]
            found = self._word_tokens.of_text(self._texts[row], own) if self._word_tokens is not None else None
            if found is None:
                written[row] = self._texts[row], own
            forms[start : end - 1] = found or [NOTHING] * (end - 1 - start)
        return written, [form for form in forms if form is not None]


def _laid_out(tokens: Sequence[tuple[int, ...]]) -> tuple[TokenIds, Integers]:
    """All tokens one after the other, and where each tuple's begin."""
    lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
    ends = np.cumsum(lengths)
    return np.fromiter(chain.from_iterable(tokens), np.int32, int(lengths.sum())), ends - lengths


def _integers(values: Integers) -> "array[int]":
    """Python reads an ``array`` three times as fast as a NumPy array, item by item."""
    return array("q", np.ascontiguousarray(values, dtype=np.int64).tobytes())
