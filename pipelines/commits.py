"""Commit files: a shard is final when its own stands, and names the digest of what lies beside it.

``FOLDER/commits/shard-00001.tar.json`` for ``FOLDER/shard-00001.tar``. Only the worker that made a shard writes its
commit, after the shard itself, so nothing is ever shared between writers.
"""

from collections.abc import Iterator

from pipelines.files import join, names_in, read_many, read_text, remove, sizes_in, write_text
from pipelines.store import MANIFEST, shard_name
from schemas.manifest import ShardCommit


def commits_folder(folder: str) -> str:
    return join(folder, "commits")


def commit_url(folder: str, shard: int) -> str:
    return join(commits_folder(folder), f"{shard_name(shard)}.json")


def write_commit(folder: str, commit: ShardCommit) -> None:
    """Make a shard whose tar stands final."""
    write_text(commit_url(folder, commit.entry.shard), commit.to_json())


def take_back(folder: str, shard: int) -> None:
    """Before a shard's tar is replaced: an old commit would stand for the new bytes if its plan came back."""
    remove(commit_url(folder, shard))


def read_commit(folder: str, shard: int) -> ShardCommit:
    return ShardCommit.from_json(read_text(commit_url(folder, shard)))


def committed(folder: str) -> list[str]:
    """Sorted names of the shards whose commit and tar both stand."""
    tars = set(names_in(folder))
    return [tar for name in names_in(commits_folder(folder)) if (tar := name.removesuffix(".json")) in tars]


def parse_commit(data: bytes) -> ShardCommit | None:
    """None where the file is damaged: to a rerun it is not there, and `verify` names it."""
    try:
        return ShardCommit.from_json(data.decode("utf-8"))
    except (ValueError, KeyError, TypeError):
        return None


def read_commits(folder: str) -> Iterator[ShardCommit]:
    """The commits of all shards whose tar stands too, whole by its size, in order of their numbers, one at a time."""
    sizes = sizes_in(folder)
    for data in read_many([join(commits_folder(folder), f"{name}.json") for name in committed(folder)]):
        commit = parse_commit(data)
        if commit is not None and sizes.get(commit.entry.name) == commit.entry.num_bytes:
            yield commit


def withdraw(folder: str) -> None:
    """Take the manifest away before shards change: a set is finished only while what it says is true."""
    remove(join(folder, MANIFEST))
