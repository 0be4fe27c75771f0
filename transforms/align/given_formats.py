"""Word times as other tools write them: TextGrid, CTM, JSON, and LibriSpeech-Alignments' text lines.

Each reader gives ``GivenWord``s in order, pauses left out. Times are seconds, as written.
"""

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from schemas.errors import RecordError
from schemas.records import SAMPLE_RATE_HZ
from transforms.align.given_textgrid import read_textgrid

FileFormat = Literal["textgrid", "ctm", "json", "jsonl", "librispeech"]

EXTENSIONS: dict[str, FileFormat] = {
    ".textgrid": "textgrid",
    ".ctm": "ctm",
    ".alignment.txt": "librispeech",
    ".jsonl": "jsonl",
    ".json": "json",
}
_LIBRISPEECH_LINE = re.compile(r'(\S+)\s+"([^"]*)"\s+"([^"]*)"\s*$')
_LARGEST = 1e9  # seconds, or a score: thirty years; more is no time, and single precision holds it


@dataclass(frozen=True, slots=True)
class GivenWord:
    """A word as a file has it.

    Raises:
        RecordError: ``given_unreadable``: a time or the score is not finite or beyond all reason.
    """

    text: str
    start_s: float
    end_s: float
    score: float = 1.0

    def __post_init__(self) -> None:
        for name, number in (("start", self.start_s), ("end", self.end_s), ("score", self.score)):
            if not abs(number) <= _LARGEST:
                raise RecordError("given_unreadable", f"the {name} of the word {self.text!r} is {number}")


def samples(seconds: float) -> int:
    """The nearest sample; halves go up."""
    return math.floor(seconds * SAMPLE_RATE_HZ + 0.5)


def words_of_textgrid(text: str, *, tier: str | None, silences: frozenset[str]) -> list[GivenWord]:
    """Words of the named tier, or of the one called words or word, or of the only tier of intervals.

    Raises:
        RecordError: ``given_unreadable``.
    """
    tiers = [found for found in read_textgrid(text) if found.intervals is not None]
    chosen = _tier_of_words([found.name for found in tiers], tier, kind="TextGrid")
    found = [GivenWord(label.strip(), start, end) for start, end, label in tiers[chosen].intervals or ()]
    return without_pauses(found, silences)


def words_of_ctm(lines: Iterable[str], *, silences: frozenset[str]) -> list[GivenWord]:
    """``utterance channel start duration word [confidence]``, one word a line, of one utterance.

    Raises:
        RecordError: ``given_unreadable``; ``given_ambiguous`` where several channels have words: they are apart in
            time only by chance, and the recording is aligned as one.
    """
    words_of: dict[str, list[GivenWord]] = {}
    for line in lines:
        fields = line.split()
        try:
            start, duration = float(fields[2]), float(fields[3])
            score = float(fields[5]) if len(fields) > 5 and fields[5] != "NA" else 1.0
            words_of.setdefault(fields[1], []).append(GivenWord(fields[4], start, start + duration, score))
        except (IndexError, ValueError) as error:
            raise RecordError("given_unreadable", f"not a line of a CTM: {line.strip()!r}") from error
    spoken = {channel: found for channel, words in words_of.items() if (found := without_pauses(words, silences))}
    if len(spoken) > 1:
        raise RecordError("given_ambiguous", f"the CTM has words in the channels {' and '.join(sorted(spoken))}")
    return next(iter(spoken.values()), [])


def words_of_librispeech(line: str, *, silences: frozenset[str]) -> list[GivenWord]:
    """``84-121123-0000 ",GO,DO," "0.49,0.89,1.04,1.2"``: a word ends at its time, where the next one begins."""
    match = _LIBRISPEECH_LINE.match(line.strip())
    labels, ends = (match[2].split(","), match[3].split(",")) if match else ([], [])
    if not match or len(labels) != len(ends):
        raise RecordError("given_unreadable", f"not a line of LibriSpeech-Alignments: {line.strip()[:80]!r}")
    try:
        times = [0.0, *map(float, ends)]
    except ValueError as error:
        raise RecordError("given_unreadable", f"not a time in {match[3][:80]!r}") from error
    words = [GivenWord(label, start, end) for label, start, end in zip(labels, times, times[1:], strict=False)]
    return without_pauses(words, silences)


def words_of_json(value: Any, *, tier: str | None, silences: frozenset[str]) -> list[GivenWord]:
    """``{"words": [...]}``, a list of words, or WhisperX's ``{"segments": [{"words": [...]}]}``.

    Or the Montreal Forced Aligner's ``{"tiers": {"words": {"entries": [[start_s, end_s, "word"], ...]}}}``, whose tier
    is found as a TextGrid's is.

    A word is ``{"word" or "text": ..., "start": s, "end": s}``, or has ``start_sample`` and ``end_sample`` at 16 kHz.

    Raises:
        RecordError: ``given_unreadable``; ``given_incomplete`` where a word has no time (WhisperX leaves those out for
            what its model cannot spell).
    """
    entries = _mfa_entries(value["tiers"], tier) if _is_of_mfa(value) else _json_entries(value)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise RecordError("given_unreadable", "the JSON holds no list of words, nor segments with words")
    return without_pauses([_json_word(entry) for entry in entries], silences)


def parse_json(text: str) -> Any:
    """Raises: RecordError: ``given_unreadable``."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecordError("given_unreadable", f"not JSON: {error}") from error


def without_pauses(words: Sequence[GivenWord], silences: frozenset[str]) -> list[GivenWord]:
    return [word for word in words if word.text and word.text.lower() not in silences]


def _tier_of_words(names: Sequence[str], tier: str | None, *, kind: str) -> int:
    """Place of the named tier, or of the one called words or word, or of the only one.

    Raises:
        RecordError: ``given_unreadable``.
    """
    places = range(len(names))
    if tier is not None:
        chosen = [place for place in places if names[place] == tier]
    else:
        chosen = [place for place in places if re.search(r"(?:^|\W)words?$", names[place], re.I)]
        chosen = chosen or (list(places) if len(names) == 1 else [])
    if len(chosen) != 1:
        wanted = f"no tier {tier!r}" if tier is not None else "no tier of words; name it as align.tier"
        raise RecordError("given_unreadable", f"the {kind} has {wanted} (there are: {', '.join(names) or 'none'})")
    return chosen[0]


def _is_of_mfa(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("tiers"), dict)


def _mfa_entries(tiers: dict[str, Any], tier: str | None) -> list[dict[str, Any]]:
    names = list(tiers)
    found = tiers[names[_tier_of_words(names, tier, kind="JSON")]]
    entries = found.get("entries") if isinstance(found, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, list) and len(entry) == 3 for entry in entries):
        raise RecordError("given_unreadable", "the JSON's tier of words has no entries of start, end and word")
    return [{"start": start, "end": end, "word": word} for start, end, word in entries]


def _json_entries(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "words" in value:
        return value["words"]
    if "segments" not in value:
        return value.get("word_segments")
    segments = value["segments"]
    if not isinstance(segments, list) or not all(isinstance(segment, dict) for segment in segments):
        return None
    lists = [segment.get("words", []) for segment in segments]
    return [word for words in lists for word in words] if all(isinstance(words, list) for words in lists) else None


def _json_word(entry: dict[str, Any]) -> GivenWord:
    text = entry.get("word", entry.get("text"))
    if not isinstance(text, str):
        raise RecordError("given_unreadable", "a word of the JSON has neither `word` nor `text`")
    if "start_sample" in entry and "end_sample" in entry:
        start, end = entry["start_sample"], entry["end_sample"]
        scale = 1.0 / SAMPLE_RATE_HZ
    else:
        start, end = entry.get("start", entry.get("start_s")), entry.get("end", entry.get("end_s"))
        scale = 1.0
    if start is None or end is None:
        raise RecordError("given_incomplete", f"the file gives no time for the word {text!r}")
    try:
        return GivenWord(text.strip(), float(start) * scale, float(end) * scale, float(entry.get("score") or 0.0))
    except (TypeError, ValueError, OverflowError) as error:
        raise RecordError("given_unreadable", f"the times of the word {text!r} are no numbers") from error
