"""Where a corpus lies and in which layout: one config class a layout, told apart by ``kind``."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from pipelines.yaml_config import Section
from pipelines.yaml_mistakes import TAG


class _Corpus(Section):
    """What all layouts share.

    Args:
        path: Local path or fsspec URL of the corpus.
        language, licence, speaker: Used where the corpus itself does not say.
        source: Name of the data set, kept with every utterance.
        include_ids: File with utterance ids, one a line; only these are read.
        exclude_ids: File with utterance ids, one a line; these are not read.
    """

    path: str = Field(min_length=1)
    language: str = "en"
    licence: str = ""
    source: str = ""
    speaker: str = ""
    include_ids: str | None = None
    exclude_ids: str | None = None


class Columns(Section):
    """Column names of a table; where one is not set, the usual names are looked for.

    Args:
        id: Utterance ids (``id``); the audio's path without its extension where there is none.
        text: Transcripts as written (``text``, ``sentence``, ``transcription``).
        speaker: Speakers (``speaker``, ``speaker_id``, ``client_id``).
        language: Language codes (``language``, ``locale``).
        licence: Licences (``licence``, ``license``).
    """

    id: str | None = None
    text: str | None = None
    speaker: str | None = None
    language: str | None = None
    licence: str | None = None


class TableColumns(Columns):
    """Column names of a table; where one is not set, the usual names are looked for.

    Args:
        audio: Paths or URLs of the recordings (``audio``, ``path``, ``file_name``, ``audio_filepath``).
    """

    audio: str | None = None


DEFAULT_COLUMNS: dict[str, tuple[str, ...]] = {
    "id": ("id",),
    "audio": ("audio", "path", "file_name", "audio_filepath"),
    "text": ("text", "sentence", "transcription"),
    "speaker": ("speaker", "speaker_id", "client_id"),
    "language": ("language", "locale"),
    "licence": ("licence", "license"),
}


class TableConfig(_Corpus):
    """A TSV, CSV or JSONL table, one utterance a row, also compressed (``.gz``, ``.bz2``, ``.xz``); NeMo's manifests.

    Args:
        path: The table; a pattern with ``*`` reads several.
        format: Taken from the file's extension when unset; ``.json`` is read as JSONL.
        delimiter: Between cells; a tab for TSV and a comma for CSV when unset.
        header: Column names of a table without a header line.
        columns: What the columns are called.
        audio_root: Folder that audio paths are relative to; the table's own folder when unset.
        audio_suffix: Appended to audio paths that have no extension.
    """

    kind: Literal["table"] = "table"
    format: Literal["tsv", "csv", "jsonl"] | None = None
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    header: tuple[str, ...] | None = None
    columns: TableColumns = TableColumns()
    audio_root: str | None = None
    audio_suffix: str = ""


class LibriSpeechConfig(_Corpus):
    """A tree ``SPEAKER/CHAPTER/S-C-NNNN.flac`` with ``S-C.trans.txt`` beside the audio."""

    kind: Literal["librispeech"] = "librispeech"


class LJSpeechConfig(_Corpus):
    """LJ Speech and what is laid out as it is: ``metadata.csv`` (``ID|TEXT|NORMALISED TEXT``), audio in ``wavs/``.

    Args:
        path: The folder, or the table in it where it has another name.
    """

    kind: Literal["ljspeech"] = "ljspeech"


class FolderConfig(_Corpus):
    """A folder of audio files, each with its text in a ``.txt`` of the same name, in any depth."""

    kind: Literal["folder"] = "folder"


class ParquetConfig(_Corpus):
    """Parquet with audio bytes, in the layout of Hugging Face data sets.

    The audio column is told by its type, ``struct<bytes: binary, path: string>``.

    Args:
        path: One file, a folder, or a pattern with ``*``.
        columns: What the columns are called.
    """

    kind: Literal["parquet"] = "parquet"
    columns: Columns = Columns()


IngestConfig = Annotated[
    TableConfig | LibriSpeechConfig | LJSpeechConfig | FolderConfig | ParquetConfig,
    Field(discriminator="kind"),
]

OneOrSeveral = Annotated[
    Annotated[list[IngestConfig], Field(min_length=1), Tag(f"{TAG}several")]
    | Annotated[IngestConfig, Tag(f"{TAG}one")],
    Discriminator(lambda value: f"{TAG}several" if isinstance(value, list) else f"{TAG}one"),
]


def several(ingest: IngestConfig | list[IngestConfig]) -> list[IngestConfig]:
    """The corpora of an ``ingest`` section, which may be one."""
    return ingest if isinstance(ingest, list) else [ingest]
