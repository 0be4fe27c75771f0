"""Whose speech must reach no shard: ids in a file of the run's folder, one a line."""

from collections.abc import Collection

from pipelines.files import exists, read_ids, write_text
from pipelines.run_folder import RunFolder


def read_opted_out(folder: RunFolder) -> frozenset[str]:
    if not exists(folder.opted_out):
        return frozenset()
    return read_ids(folder.opted_out, option="opted-out.txt") or frozenset()


def write_opted_out(folder: RunFolder, ids: Collection[str]) -> None:
    write_text(folder.opted_out, "".join(f"{utterance_id}\n" for utterance_id in sorted(ids)))
