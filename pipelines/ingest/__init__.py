"""Readers of corpora: tables, LibriSpeech trees, folders and Parquet."""

from pipelines.ingest.config import (
    FolderConfig,
    IngestConfig,
    LibriSpeechConfig,
    OneOrSeveral,
    ParquetConfig,
    TableConfig,
    several,
)
from pipelines.ingest.readers import read_all, read_rows

__all__ = [
    "FolderConfig",
    "IngestConfig",
    "LibriSpeechConfig",
    "OneOrSeveral",
    "ParquetConfig",
    "TableConfig",
    "read_all",
    "read_rows",
    "several",
]
