"""All randomness of a run: counter-based generators keyed by what is drawn for, never by order or position.

The key is BLAKE2b(run seed, epoch, stage, utterance id); Philox is counter-based (Salmon et al., SC 2011), so
two keys give independent streams and nothing is shared between workers.
"""

import hashlib

import numpy as np


def rng_for(utterance_id: str, *, stage: str, run_seed: int, epoch: int = 0) -> np.random.Generator:
    """The generator of one utterance in one stage of one epoch."""
    name = f"{run_seed}\x1f{epoch}\x1f{stage}\x1f{utterance_id}".encode()
    key = int.from_bytes(hashlib.blake2b(name, digest_size=16).digest(), "little")
    return np.random.Generator(np.random.Philox(key=key))


def shard_of(utterance_id: str, *, num_shards: int) -> int:
    """The shard that an utterance falls in: a function of its id alone."""
    digest = hashlib.blake2b(utterance_id.encode(), digest_size=8, person=b"plait.shard").digest()
    return int.from_bytes(digest, "little") % num_shards
