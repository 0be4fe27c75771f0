"""All randomness of a run: counter-based generators keyed by what is drawn for, never by order or position.

The key is BLAKE2b(run seed, epoch, stage, utterance id); Philox is counter-based (Salmon et al., SC 2011), so
two keys give independent streams and nothing is shared between workers.
"""

import hashlib
from typing import Any

import numpy as np


def rng_for(utterance_id: str, *, stage: str, run_seed: int, epoch: int = 0) -> np.random.Generator:
    """The generator of one utterance in one stage of one epoch."""
    key = int.from_bytes(_key(utterance_id, stage=stage, run_seed=run_seed, epoch=epoch), "little")
    return np.random.Generator(np.random.Philox(key=key))


def _key(utterance_id: str, *, stage: str, run_seed: int, epoch: int) -> bytes:
    name = f"{run_seed}\x1f{epoch}\x1f{stage}\x1f{utterance_id}".encode()
    return hashlib.blake2b(name, digest_size=16).digest()


class RekeyedGenerator:
    """``rng_for`` again and again, for loops over utterances: a quarter of its cost, the same draws.

    One generator is set to the start of another key's stream; what it gave before must not be drawn from any more.
    """

    def __init__(self) -> None:
        self._philox = np.random.Philox(key=0)
        self._generator = np.random.Generator(self._philox)
        self._start: Any = self._philox.state

    def rng_for(self, utterance_id: str, *, stage: str, run_seed: int, epoch: int = 0) -> np.random.Generator:
        key = _key(utterance_id, stage=stage, run_seed=run_seed, epoch=epoch)
        self._start["state"]["key"][:] = np.frombuffer(key, dtype="<u8")
        self._philox.state = self._start
        return self._generator


def shard_of(utterance_id: str, *, num_shards: int) -> int:
    """The shard that an utterance falls in: a function of its id alone."""
    digest = hashlib.blake2b(utterance_id.encode(), digest_size=8, person=b"plait.shard").digest()
    return int.from_bytes(digest, "little") % num_shards
