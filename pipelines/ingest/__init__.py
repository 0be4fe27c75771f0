"""Readers of corpora: tables, LibriSpeech trees, folders and Parquet."""

from pipelines.ingest.config import FolderConfig, IngestConfig, LibriSpeechConfig, ParquetConfig, TableConfig
from pipelines.ingest.readers import read_rows

__all__ = ["FolderConfig", "IngestConfig", "LibriSpeechConfig", "ParquetConfig", "TableConfig", "read_rows"]
