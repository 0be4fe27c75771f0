"""Readers: a corpus as it lies on a disk or in a bucket, to manifest rows."""
