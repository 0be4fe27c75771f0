"""Readers of corpora: tables, LibriSpeech trees, LJ Speech, folders and Parquet."""

from pipelines.ingest.config import (
    FolderConfig,
    IngestConfig,
    LibriSpeechConfig,
    LJSpeechConfig,
    OneOrSeveral,
    ParquetConfig,
    TableConfig,
    several,
)
from pipelines.ingest.readers import read_all, read_rows

__all__ = [
    "FolderConfig",
    "IngestConfig",
    "LJSpeechConfig",
    "LibriSpeechConfig",
    "OneOrSeveral",
    "ParquetConfig",
    "TableConfig",
    "read_all",
    "read_rows",
    "several",
]
