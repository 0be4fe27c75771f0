"""Word times that others have found: files beside the corpus, by utterance id.

Seconds become the nearest 16 kHz sample. The file's words must be the transcript's (``given_match``); what they say
of the audio is checked and nothing is repaired but rounding: neighbours that overlap by at most 20 ms meet in the
middle, a word that passes the audio's end by at most 100 ms ends with it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Literal

from pydantic import Field

from schemas.errors import RecordError
from schemas.records import SAMPLE_RATE_HZ, AlignedWord, SourceRow, Waveform
from transforms.align.given_formats import (
    FileFormat,
    GivenWord,
    parse_json,
    words_of_ctm,
    words_of_json,
    words_of_librispeech,
    words_of_textgrid,
)
from transforms.align.given_index import GivenFiles, GivenIndex, Place, id_of_json, is_named
from transforms.align.given_match import match
from transforms.align.given_textgrid import decode
from transforms.align.protocol import Alignment
from transforms.backend import BackendConfig, digest_json
from transforms.text.verbalise import slots

_READING_VERSION = 2  # since 2, the channels of a CTM are not mixed
MAX_OVERLAP_SAMPLES = SAMPLE_RATE_HZ // 50
MAX_PAST_END_SAMPLES = SAMPLE_RATE_HZ // 10


class GivenConfig(BackendConfig):
    """Word times that are there already: TextGrid, CTM, JSON.

    Args:
        path: A file, a folder (searched through) or a pattern; local or any fsspec URL.
        format: Of the files; ``auto`` goes by extension: ``.TextGrid``, ``.ctm``, ``.json``, ``.jsonl``,
            ``.alignment.txt`` (LibriSpeech-Alignments).
        tier: The tier of a TextGrid or of MFA's JSON that holds the words; without it, the one called words or word, or
            the only one.
        silences: Labels that are no words, in lower case; an empty label never is one.
    """

    kind: Literal["given"] = "given"
    path: str = Field(min_length=1)
    format: Literal["auto", "textgrid", "ctm", "json", "jsonl", "librispeech"] = "auto"
    tier: str | None = None
    silences: tuple[str, ...] = ("sil", "sp", "spn", "<eps>", "<sil>", "<p:>", "[sil]", "<s>", "</s>", "#")

    @property
    def fingerprint(self) -> str:
        """Of the files too: other times give another fingerprint, wherever the files lie."""
        files = _digest(self.path, self._format)
        return digest_json({"config": self.model_dump(exclude={"path"}), "files": files, "reading": _READING_VERSION})

    @property
    def _format(self) -> FileFormat | None:
        return None if self.format == "auto" else self.format

    def load(self) -> "GivenAligner":
        """Raises: UserError: There are no such files."""
        return GivenAligner(self, GivenFiles(self.path, self._format))


@lru_cache(maxsize=8)
def _digest(path: str, format: FileFormat | None) -> str:
    return GivenFiles(path, format).digest()


class GivenAligner:
    """Gives each utterance the times that its file has."""

    def __init__(self, config: GivenConfig, files: GivenFiles) -> None:
        self._tier, self._silences = config.tier, frozenset(config.silences)
        self._files, self._index = files, GivenIndex(files)

    def align_row(self, row: SourceRow, waveform: Waveform) -> Alignment:
        """Align one utterance.

        Raises:
            RecordError: ``no_alignment_given``, ``given_ambiguous``, ``given_unreadable``, ``given_incomplete``,
                ``given_mismatch``, ``given_disordered``, ``given_outside_audio``, ``unknown_language``, ``no_words``.
        """
        found = list(self._words(row.utterance_id))
        if not found:
            raise RecordError("no_alignment_given", "no alignment file names this utterance")
        if len(found) > 1:
            raise RecordError("given_ambiguous", f"{len(found)} alignment files name this utterance")
        parts = slots(row.text, row.language)
        if not any(reading for slot in parts for reading in slot.readings):
            raise RecordError("no_words", "nothing in the transcript is spoken", outcome="filtered")
        words = match(row.text, parts, found[0])
        return Alignment(checked(words, num_samples=len(waveform)))

    def _words(self, utterance_id: str) -> Iterator[list[GivenWord]]:
        """One list of words a place; all runs of lines of a CTM are one."""
        ctm: list[str] = []
        for place in self._index.places(utterance_id):
            if place.format == "ctm":
                ctm += self._ctm_lines(place, utterance_id)
                continue
            words = self._read(place, utterance_id)
            if words is not None:
                yield words
        if ctm:
            yield words_of_ctm(ctm, silences=self._silences)

    def _read(self, place: Place, utterance_id: str) -> list[GivenWord] | None:
        """None where a line is of another utterance whose id has the same hash."""
        with self._files.open_at(place) as file:
            text = decode(file.readline() if place.format in ("jsonl", "librispeech") else file.read())
        if place.format == "textgrid":
            return words_of_textgrid(text, tier=self._tier, silences=self._silences)
        if place.format == "librispeech":
            named = is_named(utterance_id, text.split(None, 1)[0])
            return words_of_librispeech(text, silences=self._silences) if named else None
        value = parse_json(text)
        if place.format == "jsonl" and not is_named(utterance_id, id_of_json(value) or ""):
            return None
        return words_of_json(value, tier=self._tier, silences=self._silences)

    def _ctm_lines(self, place: Place, utterance_id: str) -> Iterator[str]:
        with self._files.open_at(place) as file:
            for raw in file:
                line = decode(raw).strip()
                if not line or line.startswith(";;"):
                    continue
                if not is_named(utterance_id, line.split(None, 1)[0]):
                    return
                yield line


def checked(words: Sequence[AlignedWord], *, num_samples: int) -> tuple[AlignedWord, ...]:
    """Words in order, apart, inside the audio.

    Raises:
        RecordError: ``given_disordered``, ``given_outside_audio``.
    """
    placed: list[AlignedWord] = []
    for word in words:
        if word.end_sample < word.start_sample:
            raise RecordError("given_disordered", f"the word {word.text!r} ends before it begins")
        if word.start_sample < 0 or word.end_sample > num_samples + MAX_PAST_END_SAMPLES:
            raise RecordError("given_outside_audio", f"the word {word.text!r} lies outside the recording")
        clipped = replace(
            word, start_sample=min(word.start_sample, num_samples), end_sample=min(word.end_sample, num_samples)
        )
        if placed and clipped.start_sample < placed[-1].end_sample:
            before = placed[-1]
            overlap = before.end_sample - clipped.start_sample
            middle = before.end_sample - overlap // 2
            if overlap > MAX_OVERLAP_SAMPLES or middle < before.start_sample or middle > clipped.end_sample:
                raise RecordError("given_disordered", f"{before.text!r} is not over when {word.text!r} begins")
            placed[-1] = replace(before, end_sample=middle)
            clipped = replace(clipped, start_sample=middle)
        placed.append(clipped)
    return tuple(placed)
