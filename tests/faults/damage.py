"""Damaged recordings, transcripts, ids and tables, drawn from a seed. Every one is an entry of a corpus that a run must
account for, and must survive."""

import gzip
import io
import json
import os
import random
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile as sf

from tests.pipelines.conftest import EXAMPLES, prompts

GOOD = "hello-world"
FORMATS = ("WAV", "FLAC", "OGG", "MP3", "AIFF")


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a JSONL table: some value of an id, an audio name and a text, or a raw line."""

    kind: str
    line: bytes


@dataclass(slots=True)
class Damager:
    """Makes damaged entries in a folder; the same seed makes the same ones."""

    folder: Path
    seed: int
    rng: random.Random = field(init=False)
    waveform: np.ndarray = field(init=False)
    text: str = field(init=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        good = prompts()[GOOD]
        self.waveform = sf.read(EXAMPLES / good["audio"], dtype="float32")[0]
        self.text = good["text"]

    def entries(self, number: int) -> list[Entry]:
        """Every kind in turn, until there are so many."""
        kinds = [*_AUDIO.items(), *_NAMES.items(), *_TEXTS.items(), *_IDS.items(), *_LINES.items()]
        return [self._entry(*kinds[place % len(kinds)], place) for place in range(number)]

    def _entry(self, kind: str, make: Callable[["Damager", int], bytes], place: int) -> Entry:
        return Entry(kind, make(self, place))

    def encoded(self, kind: str, waveform: np.ndarray | None = None, subtype: str | None = None) -> bytes:
        buffer = io.BytesIO()
        sf.write(buffer, self.waveform if waveform is None else waveform, 16_000, format=kind, subtype=subtype)
        return buffer.getvalue()

    def any_format(self) -> tuple[str, bytes]:
        kind = self.rng.choice(FORMATS)
        return kind.lower(), self.encoded(kind)

    def put(self, place: int, data: bytes, extension: str) -> str:
        name = f"audio/{place:05d}.{extension}"
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return name

    def row(self, place: int, *, audio: str | None = None, text: str | None = None, name: object = None) -> bytes:
        good = str((EXAMPLES / prompts()[GOOD]["audio"]).resolve())
        values = {
            "id": f"damaged-{place:05d}" if name is None else name,
            "audio": good if audio is None else audio,
            "text": self.text if text is None else text,
        }
        return json.dumps(values).encode()


def _truncated(damager: Damager, place: int) -> bytes:
    kind, data = damager.any_format()
    return damager.row(place, audio=damager.put(place, data[: damager.rng.randrange(len(data))], kind))


def _bit_flipped(damager: Damager, place: int) -> bytes:
    kind, encoded = damager.any_format()
    data = bytearray(encoded)
    # headers are short and matter most
    for _ in range(damager.rng.choice((1, 8, 64))):
        at = damager.rng.randrange(len(data) if damager.rng.random() < 0.5 else min(200, len(data)))
        data[at] ^= 1 << damager.rng.randrange(8)
    return damager.row(place, audio=damager.put(place, bytes(data), kind))


def _wrong_extension(damager: Damager, place: int) -> bytes:
    kind, data = damager.any_format()
    if damager.rng.random() < 0.5:
        data = damager.rng.choice(
            (b"%PDF-1.7 no audio", b"<html>404</html>", damager.rng.randbytes(5000), b"PK\x03\x04")
        )
    other = damager.rng.choice([name for name in ("wav", "mp3", "txt", "flac", "ogg", "jpg") if name != kind])
    return damager.row(place, audio=damager.put(place, data, other))


def _absurd_rate(damager: Damager, place: int) -> bytes:
    data = bytearray(damager.encoded("WAV", subtype="PCM_16"))
    rate = damager.rng.choice((0, 1, 7, 3_999, 384_001, 2**31 - 1, 2**31, 2**32 - 1))
    data[24:28] = struct.pack("<I", rate)
    return damager.row(place, audio=damager.put(place, bytes(data), "wav"))


def _absurd_channels(damager: Damager, place: int) -> bytes:
    data = bytearray(damager.encoded("WAV", subtype="PCM_16"))
    data[22:24] = struct.pack("<H", damager.rng.choice((0, 9, 255, 1024, 65535)))
    return damager.row(place, audio=damager.put(place, bytes(data), "wav"))


def _bad_samples(damager: Damager, place: int) -> bytes:
    waveform = damager.waveform.copy()
    value = damager.rng.choice((np.nan, np.inf, -np.inf, 1e30, 5.0))
    waveform[damager.rng.randrange(len(waveform)) :: damager.rng.choice((1, 100, 1 << 20))] = value
    return damager.row(place, audio=damager.put(place, damager.encoded("WAV", waveform, "FLOAT"), "wav"))


def _silence_or_noise(damager: Damager, place: int) -> bytes:
    rng = np.random.default_rng(damager.rng.randrange(1 << 30))
    length = damager.rng.choice((0, 1, 1279, 1280, 16_000, 40_000))
    scale = damager.rng.choice((0.0, 1e-30, 1e-4, 1.0))
    waveform = np.clip(scale * rng.standard_normal(length), -1, 1).astype(np.float32)
    return damager.row(place, audio=damager.put(place, damager.encoded("WAV", waveform, "FLOAT"), "wav"))


def _ten_hours(damager: Damager, place: int) -> bytes:
    """A kilobyte whose header promises ten hours."""
    if damager.rng.random() < 0.5:
        data = bytearray(damager.encoded("WAV", subtype="PCM_16")[:1024])
        data[4:8], data[40:44] = struct.pack("<I", 36_000 * 32_000 + 36), struct.pack("<I", 36_000 * 32_000)
        return damager.row(place, audio=damager.put(place, bytes(data), "wav"))
    data = bytearray(damager.encoded("FLAC")[:1024])
    data[21] |= 0x0F  # the upper four of 36 bits that count the samples
    return damager.row(place, audio=damager.put(place, bytes(data), "flac"))


def _archive(damager: Damager, place: int) -> bytes:
    """What unpacks to much more than it is, and a file with a hole of many gigabytes."""
    kind = damager.rng.choice(("gz", "tar.gz", "hole"))
    if kind == "hole":
        name = damager.put(place, b"RIFF" if damager.rng.random() < 0.5 else damager.encoded("WAV"), "wav")
        os.truncate(damager.folder / name, 1 << 40)
        return damager.row(place, audio=name)
    data = gzip.compress(bytes(8 << 20), mtime=0)
    return damager.row(place, audio=damager.put(place, data, damager.rng.choice((kind, "wav"))))


def _no_file(damager: Damager, place: int) -> bytes:
    """Folders, pipes, sockets, devices, links in a circle."""
    path = damager.folder / damager.put(place, b"", "wav")
    path.unlink()
    kind = damager.rng.choice(("folder", "pipe", "socket", "circle", "nowhere", "endless", "full"))
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as held:
            folder = os.open(path.parent, os.O_RDONLY)  # a socket's path is short
            try:
                held.bind(f"/proc/self/fd/{folder}/{path.name}")
            finally:
                os.close(folder)
    elif kind in ("circle", "nowhere"):
        path.symlink_to(path.name if kind == "circle" else "../nowhere/at-all")
    else:
        path.symlink_to("/dev/zero" if kind == "endless" else "/dev/full")
    return damager.row(place, audio=f"audio/{path.name}")


_AUDIO: dict[str, Callable[[Damager, int], bytes]] = {
    "truncated": _truncated,
    "bit-flipped": _bit_flipped,
    "wrong-extension": _wrong_extension,
    "absurd-rate": _absurd_rate,
    "absurd-channels": _absurd_channels,
    "bad-samples": _bad_samples,
    "silence-or-noise": _silence_or_noise,
    "ten-hours": _ten_hours,
    "archive": _archive,
    "no-file": _no_file,
}

AUDIO_NAMES = (
    "../../../../etc/passwd",
    "/etc/shadow",
    "/dev/stdin",
    "a\0b.wav",
    "\n.wav",
    "x" * 5000 + ".wav",
    "/".join(["d"] * 3000) + "/x.wav",
    "~root/x.wav",
    "file:///etc/hostname",
    "file://../../x.wav",
    "local://nowhere.wav",
    "memory://nowhere.wav",
    "zip://inner.wav::audio/none.zip",
    "tar://inner.wav::audio/none.tar",
    "simplecache::audio/none.wav",
    "filecache::file:///etc/hostname",
    "::",
    "a::b",
    "a::b::c",
    "://",
    "nothing://x",
    "data:;base64,AAAA",
    "data:audio/wav;base64,????",
    "reference://x",
    "C:\\x.wav",
    "\u202egnp.wav",
    "*.wav",
    "[a.wav",
    "{a,b}.wav",
    "",
    " ",
    ".",
    "..",
    "/",
)


def _audio_name(damager: Damager, place: int) -> bytes:
    return damager.row(place, audio=damager.rng.choice(AUDIO_NAMES))


_NAMES: dict[str, Callable[[Damager, int], bytes]] = {"audio-name": _audio_name}

TEXTS = (
    "\u202bمرحبا بالعالم\u202c",
    "שלום עולם hello",
    "🙂👩‍👩‍👧‍👦 hello 🏳️‍🌈 world",
    "he\u0301llo wo\u0308rld " + "\u0301" * 500,
    "hello\0world",
    "\x01\x02\x1b[31m hello \x7f world",
    "\u200b\u200d\ufeff",
    "\t\n\r ",
    "9" * 5000,
    "10" * 40 + " dollars",
    "²³ ½ ①② Ⅳ ٣٤ 一二三",
    "1e999 -0 0.0.0.0 1/0 00:99:99 $-3 №7",
    "𝐇𝐞𝐥𝐥𝐨 𝔀𝓸𝓻𝓵𝓭",
    "hello " * 2_000,
    "a" * 60_000,
    "'" * 300,
    "<hello> [world] {x} (y) \\n %s $(id) `id`",
    "ﷺ ﬁ Ǆ ß İ",
    "hello\u2028world\u2029again\x85",
    "\ufffd\uffff\U0010ffff",
)


def _any_text(damager: Damager, place: int) -> bytes:
    return damager.row(place, text=damager.rng.choice(TEXTS))


def _random_text(damager: Damager, place: int) -> bytes:
    points = [damager.rng.choice((0x20, 0x300, 0x5D0, 0x1F600, 0x10000, 0)) for _ in range(30)]
    signs = [chr(point + damager.rng.randrange(0x60)) for point in points]
    return damager.row(place, text="".join(signs))


_TEXTS: dict[str, Callable[[Damager, int], bytes]] = {"text": _any_text, "random-text": _random_text}

IDS: tuple[object, ...] = (
    "../../evil",
    "/etc/evil",
    "..",
    ".",
    "a/../../b",
    "a\0b",
    "a\nb",
    "x" * 65_536,
    "é" * 1000,
    "🙂" * 300,
    "%2e%2e%2f",
    ".hidden",
    ".partial-1-x",
    "a.b.c.json",
    "shard-00000.tar",
    "\u202e",
    " ",
    "-rf",
    "$(touch evil)",
    "C:\\evil",
    "\ud800",
    "a\udcffb",
    "A",
    "a",
    True,
    12345,
    1.5,
    None,
    [],
    {"a": 1},
)


def _any_id(damager: Damager, place: int) -> bytes:
    return damager.row(place, name=damager.rng.choice(IDS))


_IDS: dict[str, Callable[[Damager, int], bytes]] = {"id": _any_id}

LINES = (
    b"\xff\xfe\xff",
    b'{"id": "x", "audio": "\xc3\x28", "text": "\xff"}',
    b"{",
    b"[" * 5_000,
    b"null",
    b"[]",
    b"{}",
    b'{"id": 1}',
    b'"\\ud800"',
    b'{"id": "s", "audio": "\\ud800.wav", "text": "x"}',
    b'{"id": "t", "audio": "x.wav", "text": "\\udfff"}',
    b'{"id": ' + b"9" * 6000 + b', "audio": "x", "text": "y"}',
    b'{"id": NaN, "audio": Infinity, "text": -Infinity}',
    b'{"id": "big", "audio": "x.wav", "text": "' + b"a" * (2 << 20) + b'"}',
    b"\0" * 100,
    b'{"audio": "x.wav", "audio": 3, "text": {}}',
)


def _any_line(damager: Damager, place: int) -> bytes:
    return damager.rng.choice(LINES)


_LINES: dict[str, Callable[[Damager, int], bytes]] = {"line": _any_line}


def write_entries(path: Path, entries: list[Entry], good: bytes) -> None:
    """A JSONL table of entries, a sound one first."""
    path.write_bytes(b"\n".join([good, *(entry.line for entry in entries)]) + b"\n")


def bombs(folder: Path, *, gigabytes: float) -> dict[str, Path]:
    """Tables of a few megabytes that unpack to gigabytes: one endless line each."""
    found = {}
    header = b"id\taudio\ttext\ngood\t%s\t%s\n"
    good = prompts()[GOOD]
    row = header % (str((EXAMPLES / good["audio"]).resolve()).encode(), good["text"].encode())
    for name, start, fill in (
        ("line.tsv.gz", row, b"a"),
        ("line.csv.gz", row.replace(b"\t", b","), b"a"),
        ("quoted.csv.gz", row.replace(b"\t", b",") + b'"', b"a"),
        ("tar.tsv.gz", row, b"\0"),
        ("line.jsonl.gz", b'{"id": "x", "text": "', b"a"),
    ):
        path = folder / name
        # members of an archive follow each other: one block, compressed once
        block = gzip.compress(fill * (64 << 20), compresslevel=1, mtime=0)
        path.write_bytes(gzip.compress(start, mtime=0) + block * int(gigabytes * 16))
        found[name] = path
    return found
