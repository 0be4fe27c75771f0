"""Utterances as columns, ready to be cut at any word: what a token store becomes in a trainer's memory.

Deduplication, merging and tokenisation don't depend on the draw, so they are done once, and for a whole shard in a few
array operations. A draw is then a few slices. Of each utterance the table has its speech tokens with the index at which
every written word begins, and the same for its text tokens.

Cost: 4 bytes a token, 56 bytes a word.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.records import Segment, Span, StoredUtterance, Stream, TokenIds
from schemas.vocabulary import VocabularyLayout
from transforms.interleave_policies import WordRun
from transforms.interleave_words import WordTokens
from transforms.streams import DEDUPLICATED, MERGE_PRIORITY, merge_streams
from transforms.text.protocol import TextTokenizer

WordPlace = tuple[int, int, int, int]  # start_sample, end_sample, char_start, char_end
_ONSET_BITS, _PRIORITY_BITS = 38, 2  # a recording may last 2**38 samples, half a year


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
        self._places: list[WordPlace] = []
        self._num_words: list[int] = []
        self._num_samples: list[int] = []
        self._streams: list[Sequence[Stream]] = []
        self._text: list[int] = []
        self._first: list[int] = []
        self._text_cuts: list[int] = []
        self._first_cuts: list[int] = []
        self._written: dict[int, tuple[str, list[int]]] = {}

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
        cuts = char_cuts(text, words)
        forms = self._word_tokens.of_text(text, cuts) if self._word_tokens is not None else None
        if forms is None:
            self._written[len(self._ids)] = text, cuts
            forms = []
        for word in forms:
            self._text_cuts.append(len(self._text))
            self._first_cuts.append(len(self._first))
            self._text += word.inner
            self._first += word.first
        missing = len(cuts) - len(forms)  # the end, and all words where none could be cut
        self._text_cuts += [len(self._text)] * missing
        self._first_cuts += [len(self._first)] * missing
        self._ids.append(utterance_id)
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
        rows = len(self._ids)
        starts, samples, words = self._cuts()
        keys, tokens = self._merged()
        row_of_cut = np.repeat(np.arange(rows), np.diff(starts))
        speech_cuts = np.searchsorted(keys, _sort_key(row_of_cut, samples, 0), side="left")
        return UtteranceTable(
            ids=tuple(self._ids),
            starts=_integers(starts),
            speech=tokens,
            speech_cuts=_integers(speech_cuts),
            text=np.array(self._text, dtype=np.int32),
            text_cuts=array("q", self._text_cuts),
            first=np.array(self._first, dtype=np.int32),
            first_cuts=array("q", self._first_cuts),
            samples=_integers(samples),
            words=_integers(words),
            written=self._written,
            streams=tuple(tuple(streams) for streams in self._streams) if self._keep_streams else (),
        )

    def _cuts(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """``starts`` of the rows, and the samples and spoken-word indices of all cuts.

        Silence between two words is split at its middle, and words of one character range are one written word.
        """
        if not self._ids:
            return np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64)
        begin, end, char_start, char_end = np.array(self._places, dtype=np.int64).T
        counts = np.array(self._num_words)
        row_ends = np.cumsum(counts)
        row_starts = row_ends - counts
        is_first = np.zeros(len(begin), dtype=bool)
        is_first[row_starts] = True
        opens = is_first.copy()
        opens[1:] |= (char_start[1:] != char_start[:-1]) | (char_end[1:] != char_end[:-1])
        middles = np.zeros(len(begin), dtype=np.int64)
        middles[1:] = (end[:-1] + begin[1:]) // 2
        middles[is_first] = 0
        index = np.arange(len(begin)) - np.repeat(row_starts, counts)
        groups = np.add.reduceat(opens.astype(np.int64), row_starts)
        group_ends = np.cumsum(groups)
        samples = np.insert(middles[opens], group_ends, self._num_samples)
        words = np.insert(index[opens], group_ends, counts)
        return np.concatenate([[0], np.cumsum(groups + 1)]), samples, words

    def _merged(self) -> tuple[npt.NDArray[np.int64], TokenIds]:
        """Speech tokens of all rows by (row, onset, style < pitch < units), deduplicated, and their sort keys."""
        keys, tokens = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)]
        for kind, priority in MERGE_PRIORITY.items():
            if self._layout.codebook_size(kind) == 0:
                continue
            present = [(row, stream) for row, streams in enumerate(self._streams) for stream in streams]
            present = [(row, stream) for row, stream in present if stream.kind == kind and len(stream.ids)]
            if not present:
                continue
            lengths = np.array([len(stream.ids) for _, stream in present])
            ids = np.concatenate([stream.ids for _, stream in present]).astype(np.int32)
            begins = np.cumsum(lengths) - lengths
            frame = np.arange(len(ids)) - np.repeat(begins, lengths)
            onset = frame * np.repeat([stream.hop_samples for _, stream in present], lengths)
            key = _sort_key(np.repeat([row for row, _ in present], lengths), onset, priority)
            if DEDUPLICATED[kind]:
                kept = np.ones(len(ids), dtype=bool)
                kept[1:] = ids[1:] != ids[:-1]
                kept[begins] = True
                ids, key = ids[kept], key[kept]
            keys.append(key)
            tokens.append(ids + np.int32(self._layout.offset(kind)))
        key, token = np.concatenate(keys), np.concatenate(tokens)
        order = np.argsort(key, kind="stable")
        return key[order], token[order]


def char_cuts(text: str, words: Sequence[WordPlace]) -> list[int]:
    """Where the written text is cut before each written word, and its end.

    A cut is at the word's first character; leading quotes stay with it.
    """
    cuts = [0]
    previous = words[0]
    for word in words[1:]:
        start, before = word[2], previous[3]
        if start != previous[2] or word[3] != before:
            while start > 0 and not text[start - 1].isspace() and not text[start - 1].isalnum():
                start -= 1
            cuts.append(max(start, before))
        previous = word
    cuts.append(len(text))
    return cuts


def _sort_key(row: Any, onset: Any, priority: int) -> npt.NDArray[np.int64]:
    key: npt.NDArray[np.int64] = (
        (np.asarray(row, np.int64) << (_ONSET_BITS + _PRIORITY_BITS))
        + (np.asarray(onset, np.int64) << _PRIORITY_BITS)
        + priority
    )
    return key


def _integers(values: npt.NDArray[np.int64]) -> "array[int]":
    """Python reads an ``array`` three times as fast as a NumPy array, item by item."""
    return array("q", np.ascontiguousarray(values, dtype=np.int64).tobytes())
