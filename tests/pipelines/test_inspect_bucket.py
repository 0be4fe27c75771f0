"""`plait inspect` of a run in a bucket."""

from pipelines.inspect import inspect
from tests.faults.store_server import BUCKET


def test_shards_in_a_bucket_are_shown_as_those_on_a_disk(bucket, small_corpus):
    out = small_corpus / "out"
    for file in filter(lambda path: path.is_file(), out.rglob("*")):
        bucket.put(f"run/{file.relative_to(out)}", file.read_bytes())
    for name in ("corpus", "interleaved/epoch-1"):
        shard = min((out / name).glob("*.tar")).relative_to(out)
        lines = list(inspect(f"s3://{BUCKET}/run/{shard}", None, limit=2))
        assert lines == list(inspect(str(out / shard), None, limit=2))
        assert len(lines) > 2
