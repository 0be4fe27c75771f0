"""The manifest of a shard set: what was read, what each shard holds, and the digest of every file."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from schemas.records import DeadLetter, StreamKind

TOKEN_STORE = "plait/token-store/1"
TRAINING_SHARDS = "plait/training-shards/1"


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What the ids of a stream mean."""

    kind: StreamKind
    hop_samples: int
    codebook_size: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class ShardEntry:
    """One shard as committed. ``counts`` are sums over its records (samples, words, tokens by kind ...)."""

    shard: int
    name: str
    sha256: str
    num_bytes: int
    records: int
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ShardCommit:
    """What makes a shard final: its entry, its dead letters, and what it was made from.

    ``opted_out`` are the sorted ids that ``inputs_digest`` counts and the shard must not hold.
    """

    entry: ShardEntry
    dropped: tuple[DeadLetter, ...]
    inputs_digest: str
    plan_fingerprint: str
    opted_out: tuple[str, ...] = ()

    def to_json(self) -> str:
        return dump_json(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "ShardCommit":
        data = json.loads(text)
        return cls(
            entry=ShardEntry(**data["entry"]),
            dropped=tuple(DeadLetter(**letter) for letter in data["dropped"]),
            inputs_digest=data["inputs_digest"],
            plan_fingerprint=data["plan_fingerprint"],
            opted_out=tuple(data["opted_out"]),
        )


@dataclass(frozen=True, slots=True)
class Manifest:
    """A finished shard set. ``inputs == sum of records + filtered + failed`` for a token store.

    ``details`` holds what else decides the bytes: fingerprints, policy, vocabulary layout.
    """

    format: str
    plan_fingerprint: str
    inputs: int
    filtered: int
    failed: int
    dropped_sha256: str
    streams: tuple[StreamInfo, ...]
    shards: tuple[ShardEntry, ...]
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def records(self) -> int:
        return sum(entry.records for entry in self.shards)

    def count(self, name: str) -> int:
        return sum(entry.counts.get(name, 0) for entry in self.shards)

    def to_json(self) -> str:
        return dump_json(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        data = json.loads(text)
        data["streams"] = tuple(StreamInfo(**stream) for stream in data["streams"])
        data["shards"] = tuple(ShardEntry(**entry) for entry in data["shards"])
        return cls(**data)


def dump_json(value: object) -> str:
    """Indented JSON with a fixed order of keys, ending in a newline: the same value gives the same bytes."""
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
