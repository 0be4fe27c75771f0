"""Shard sets on disk: WebDataset tars with fixed metadata, read by plain ``webdataset`` too.

Token store: ``KEY.json``, ``KEY.units.npy``, ``KEY.pitch.npy``, ``KEY.style.npy``, optionally ``KEY.flac``.
Training shards: ``KEY.tokens.npy``, ``KEY.json``. The key is the utterance id, with what a tar member's name
cannot safely hold percent-encoded.
"""

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import soundfile as sf
import webdataset as wds

from pipelines.files import HashingWriter, exists, join, open_read, open_write, read_text
from schemas.errors import UserError
from schemas.manifest import Manifest, ShardEntry
from schemas.records import (
    SAMPLE_RATE_HZ,
    AlignedWord,
    Segment,
    StoredUtterance,
    Stream,
    TokenSequence,
    Waveform,
)
from transforms.backend import digest_json

MANIFEST = "manifest.json"
Sample = dict[str, bytes]


def digest_of_store(manifest: Manifest) -> str:
    """Of a token store's shards: what baked shards say that they were made of."""
    return digest_json([entry.sha256 for entry in manifest.shards])


def shard_name(shard: int) -> str:
    return f"shard-{shard:05d}.tar"


def shard_number(name: str) -> int:
    return int(name.removeprefix("shard-").removesuffix(".tar"))


def key_of(utterance_id: str) -> str:
    """Tar key of an utterance id: letters, digits, ``_`` and ``-`` stay, the rest is percent-encoded."""
    return quote(utterance_id, safe="").replace(".", "%2E").replace("~", "%7E")


def id_of(key: str) -> str:
    return unquote(key)


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False).encode("utf-8")


def utterance_sample(record: StoredUtterance, *, waveform: Waveform | None) -> Sample:
    """Files of one utterance in a token store; with a waveform, its 16-bit FLAC as well."""
    sample: Sample = {}
    for stream in record.streams:
        sample[f"{stream.kind}.npy"] = _npy(stream.ids.astype(np.uint16 if stream.codebook_size <= 65536 else np.int32))
    meta = {name: value for name, value in asdict(record).items() if name not in ("streams", "words")}
    meta["words"] = [asdict(word) for word in record.words]
    meta["streams"] = {
        stream.kind: {
            "hop_samples": stream.hop_samples,
            "codebook_size": stream.codebook_size,
            "fingerprint": stream.fingerprint,
        }
        for stream in record.streams
    }
    sample["json"] = _json(meta)
    if waveform is not None:
        sample["flac"] = flac(waveform)
    return sample


def flac(waveform: Waveform) -> bytes:
    """A 16-bit FLAC file."""
    buffer = io.BytesIO()
    sf.write(buffer, waveform, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def sequence_sample(sequence: TokenSequence) -> Sample:
    """Files of one training sequence."""
    meta = {"utterance_id": sequence.utterance_id, "segments": [asdict(segment) for segment in sequence.segments]}
    return {"tokens.npy": _npy(sequence.tokens.astype(np.int32)), "json": _json(meta)}


def write_tar(url: str, samples: Iterable[tuple[str, Sample]]) -> tuple[str, int, int]:
    """Write one tar as its samples come, sorted by utterance id; returns its SHA-256, its bytes and its records."""
    records = 0
    with open_write(url) as file:
        hashed = HashingWriter(file)
        writer = wds.TarWriter(hashed, user="plait", group="plait", mode=0o644, mtime=0, encoder=False)
        try:
            for utterance_id, sample in samples:
                writer.write({"__key__": key_of(utterance_id), **sample})
                records += 1
            writer.close()
        except BaseException:
            hashed.abandon()
            raise
    return hashed.sha256, hashed.num_bytes, records


def write_shard(
    folder: str, shard: int, samples: Iterable[tuple[str, Sample]], *, counts: dict[str, int]
) -> ShardEntry:
    """Write a shard's tar; ``samples`` may add to ``counts`` as they come."""
    name = shard_name(shard)
    sha256, num_bytes, records = write_tar(join(folder, name), samples)
    return ShardEntry(shard, name, sha256, num_bytes, records, counts)


def read_samples(url: str) -> Iterator[tuple[str, Sample]]:
    """Utterance ids and files of a tar, in order."""
    with open_read(url) as file:
        members = wds.tariterators.tar_file_expander([{"url": url, "stream": file}])
        for sample in wds.tariterators.group_by_keys(members):
            yield id_of(sample["__key__"]), {name: data for name, data in sample.items() if not name.startswith("__")}


def parse_utterance(sample: Sample) -> StoredUtterance:
    meta: dict[str, Any] = json.loads(sample["json"])
    infos: dict[str, Any] = meta.pop("streams")
    streams = tuple(
        Stream(
            kind=kind,
            hop_samples=infos[kind]["hop_samples"],
            codebook_size=infos[kind]["codebook_size"],
            ids=np.load(io.BytesIO(sample[f"{kind}.npy"]), allow_pickle=False).astype(np.int32),
            fingerprint=infos[kind]["fingerprint"],
        )
        for kind in ("units", "pitch", "style")
        if kind in infos
    )
    words = tuple(AlignedWord(**word) for word in meta.pop("words"))
    return StoredUtterance(words=words, streams=streams, **meta)


def parse_sequence(sample: Sample) -> TokenSequence:
    meta = json.loads(sample["json"])
    tokens = np.load(io.BytesIO(sample["tokens.npy"]), allow_pickle=False).astype(np.int32)
    return TokenSequence(meta["utterance_id"], tokens, tuple(Segment(**segment) for segment in meta["segments"]))


@dataclass(frozen=True)
class ShardSet:
    """A finished folder of shards."""

    folder: str

    @cached_property
    def manifest(self) -> Manifest:
        """Raises UserError where the folder holds no finished shard set."""
        url = join(self.folder, MANIFEST)
        if not exists(url):
            raise UserError(
                f"no {MANIFEST} in {self.folder}; is the run finished? `plait run` goes on where it stopped"
            )
        try:
            return Manifest.from_json(read_text(url))
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{url} is damaged; `plait run` writes it anew") from error

    def shard_url(self, entry: ShardEntry) -> str:
        return join(self.folder, entry.name)

    def utterances(self) -> Iterator[StoredUtterance]:
        """All utterances of a token store, shard by shard."""
        for entry in self.manifest.shards:
            for _, sample in read_samples(self.shard_url(entry)):
                yield parse_utterance(sample)

    def sequences(self) -> Iterator[TokenSequence]:
        """All sequences of a set of training shards, shard by shard."""
        for entry in self.manifest.shards:
            for _, sample in read_samples(self.shard_url(entry)):
                yield parse_sequence(sample)


def read_waveform(sample: Sample) -> Waveform | None:
    """The stored audio of an utterance, float32; None where the store was built without audio."""
    if "flac" not in sample:
        return None
    waveform, _ = sf.read(io.BytesIO(sample["flac"]), dtype="float32")
    return np.asarray(waveform, dtype=np.float32)
