"""Praat's TextGrid: reading and writing.

Praat reads a text file as the free-standing strings, numbers and flags in it and skips all else (manual, "TextGrid
file formats"), so the long and the short format are one: ``xmin = 0.25`` and ``0.25`` say the same.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from schemas.errors import RecordError
from schemas.records import SAMPLE_RATE_HZ, AlignedWord

_TOKEN = re.compile(r'"(?:[^"]|"")*"|<[^<>\s]*>|[^\s"]+')
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$")
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_DECIMALS = 7  # a sample at 16 kHz is 0.0000625 s


@dataclass(frozen=True, slots=True)
class Tier:
    """``intervals``: start and end in seconds and the label; None for a tier of points."""

    name: str
    intervals: tuple[tuple[float, float, str], ...] | None


def decode(data: bytes) -> str:
    """Text in UTF-8 or UTF-16, told by its first bytes.

    Raises:
        RecordError: ``given_unreadable``.
    """
    bom, encoding = next(((bom, name) for bom, name in _BOMS if data.startswith(bom)), (b"", "utf-8"))
    try:
        return data[len(bom) :].decode(encoding)
    except UnicodeDecodeError as error:
        raise RecordError("given_unreadable", f"the alignment file is not {encoding} text") from error


def read_textgrid(text: str) -> tuple[Tier, ...]:
    """All tiers.

    Raises:
        RecordError: ``given_unreadable``.
    """
    values = _values(text)
    try:
        if next(values) not in ('"ooTextFile"', '"ooTextFile short"') or next(values) != '"TextGrid"':
            raise RecordError("given_unreadable", "the alignment file is no TextGrid")
        next(values), next(values)
        if next(values) != "<exists>":
            return ()
        return tuple(_tier(values) for _ in range(int(next(values))))
    except (StopIteration, ValueError, RuntimeError) as error:
        raise RecordError("given_unreadable", "the TextGrid is cut off or malformed") from error


def write_textgrid(words: Sequence[AlignedWord], *, num_samples: int) -> str:
    """One tier of intervals, ``words``, in the long format; pauses are empty labels. Times are exact to the sample.

    Raises:
        ValueError: A word has no length, which Praat does not allow.
    """
    intervals: list[tuple[int, int, str]] = []
    position = 0
    for word in words:
        if word.end_sample <= word.start_sample:
            raise ValueError(f"{word.text!r} has no length")
        if word.start_sample > position:
            intervals.append((position, word.start_sample, ""))
        intervals.append((word.start_sample, word.end_sample, word.text))
        position = word.end_sample
    if position < num_samples or not intervals:
        intervals.append((position, num_samples, ""))
    end = seconds(num_samples)
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {end}",
        "tiers? <exists>",
        "size = 1",
        "item []:",
        "    item [1]:",
        '        class = "IntervalTier"',
        '        name = "words"',
        "        xmin = 0",
        f"        xmax = {end}",
        f"        intervals: size = {len(intervals)}",
    ]
    for number, (start, stop, label) in enumerate(intervals, start=1):
        doubled = label.replace('"', '""')
        lines += [
            f"        intervals [{number}]:",
            f"            xmin = {seconds(start)}",
            f"            xmax = {seconds(stop)}",
            f'            text = "{doubled}"',
        ]
    return "\n".join(lines) + "\n"


def seconds(samples: int) -> str:
    """An exact decimal number of seconds."""
    return f"{samples / SAMPLE_RATE_HZ:.{_DECIMALS}f}"


def _values(text: str) -> Iterator[str]:
    for match in _TOKEN.finditer(re.sub(r"(?m)^\s*!.*$", "", text)):
        token = match.group()
        if token[0] in '"<' or _NUMBER.match(token):
            yield token


def _tier(values: Iterator[str]) -> Tier:
    kind, name = next(values), _string(next(values))
    next(values), next(values)
    size = int(next(values))
    if kind == '"IntervalTier"':
        return Tier(name, tuple((float(next(values)), float(next(values)), _string(next(values))) for _ in range(size)))
    for _ in range(2 * size):
        next(values)
    return Tier(name, None)


def _string(token: str) -> str:
    if not token.startswith('"'):
        raise ValueError(f"expected a string, found {token}")
    return token[1:-1].replace('""', '"')
