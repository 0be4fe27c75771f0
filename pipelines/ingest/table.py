"""Reads TSV, CSV and JSONL tables row by row, in constant memory.

A TSV row is one line. A cell that is quoted in the CSV manner, as ``pandas`` and ``csv`` write it, is unquoted;
any other quotation mark is text, as in Common Voice. A CSV cell may hold line breaks inside quotes (RFC 4180).
"""

import csv
import gzip
import io
import json
import lzma
import re
import zlib
from collections.abc import Iterator
from typing import IO

from pipelines.ingest.config import TableConfig
from pipelines.ingest.location import extension_of, matching_files, split_pattern, stem
from pipelines.ingest.rows import (
    MAX_LINE_BYTES,
    bounded_lines,
    cells_by_role,
    decode_text,
    has_surrogates,
    make_letter,
    make_row,
    pick_columns,
    require_columns,
)
from schemas.errors import RecordError, UserError
from schemas.records import DeadLetter, SourceRow

_COMPRESSION = {"gz": "gzip", "bz2": "bz2", "xz": "xz"}
_QUOTED = re.compile(r'"((?:[^"]|"")*)"')
_NEMO_AUDIO = "audio_filepath"
_BOM = b"\xef\xbb\xbf"

Cells = list[str]
Numbered = tuple[int, Cells | RecordError]


def read_table(config: TableConfig, *, needs_text: bool = True) -> Iterator[SourceRow | DeadLetter]:
    """Rows of all tables that ``config.path`` means.

    Raises:
        UserError: No table, an unknown extension, a missing column, a damaged archive.
    """
    location, names = matching_files(config.path, option="ingest.path")
    for name in names:
        url = location.url_of(name)
        compression = _COMPRESSION.get(extension_of(name))
        kind = config.format or _format_of(stem(name) if compression else name, url)
        try:
            with location.open_listed(name, compression=compression) as file:
                yield from _Table(config, url=url, place=name, needs_text=needs_text).rows(kind, file)
        except (gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError) as error:
            raise UserError(f"ingest.path: {url} is a damaged archive ({error}); fetch it again") from error


def _format_of(name: str, url: str) -> str:
    extension = extension_of(name)
    if extension == "json":
        return "jsonl"  # as NeMo names its manifests
    if extension not in ("tsv", "csv", "jsonl"):
        raise UserError(f"ingest.format: cannot tell the format of {url} by its name; set it to tsv, csv or jsonl")
    return extension


class _Table:
    """One table: ``url`` is its path, ``place`` its name in dead letters."""

    def __init__(self, config: TableConfig, *, url: str, place: str, needs_text: bool) -> None:
        self.config = config
        self.required = ("audio", "text") if needs_text else ("audio",)
        self.url = url
        self.place = place
        self.names: tuple[str, ...] = ()  # of the row before: most rows of a table have the same columns
        self.chosen: dict[str, str] = {}
        folder = split_pattern(url)[0]
        self.audio_root = config.audio_root.rstrip("/") if config.audio_root else "" if folder == "." else folder

    def rows(self, kind: str, file: IO[bytes]) -> Iterator[SourceRow | DeadLetter]:
        """Raises UserError at the end where none of a JSONL table's rows had a column that is needed."""
        records = _json_records(file, self.url) if kind == "jsonl" else self._delimited_records(kind, file)
        columns = self.config.columns
        needed = set(self.required) | {role for role in type(columns).model_fields if getattr(columns, role)}
        seen: dict[str, None] = {}
        complete = False
        for line, record in records:
            try:
                if isinstance(record, RecordError):
                    raise record
                if not complete:
                    seen |= dict.fromkeys(record)
                    complete = needed <= pick_columns(columns, seen).keys()
                yield self._row(record)
            except RecordError as error:
                yield make_letter(f"{self.place}:{line}", error, audio=self.url)
        if seen and not complete:
            require_columns(columns, seen, required=self.required, table=self.url)

    def _row(self, record: dict[str, object]) -> SourceRow:
        names = tuple(record)
        if names != self.names:
            self.names, self.chosen = names, pick_columns(self.config.columns, names)
        chosen = self.chosen
        missing = [role for role in self.required if role not in chosen]
        if missing:
            raise RecordError("malformed_row", f"the row has no {' and no '.join(missing)}")
        if chosen["audio"] == _NEMO_AUDIO and record.get("offset"):
            detail = f"the row is a part of its recording, from {record['offset']} s on; cut the recording first"
            raise RecordError("part_of_recording", detail)
        cells = cells_by_role(chosen, record)
        name = cells.pop("audio").removeprefix("./")
        if name and not extension_of(name):
            name += self.config.audio_suffix
        utterance_id = cells.pop("id", "") or stem(name)
        return make_row(self.config, utterance_id=utterance_id, audio=self._audio_url(name), **cells)

    def _audio_url(self, name: str) -> str:
        if not name or not self.audio_root or name.startswith("/") or "://" in name:
            return name
        separator = "" if self.audio_root.endswith("/") else "/"
        return f"{self.audio_root}{separator}{name}"

    def _delimited_records(self, kind: str, file: IO[bytes]) -> Iterator[tuple[int, dict[str, object] | RecordError]]:
        delimiter = self.config.delimiter or ("\t" if kind == "tsv" else ",")
        lines = _tsv_lines(file, delimiter) if kind == "tsv" else _csv_lines(file, delimiter)
        header: Cells | None = list(self.config.header) if self.config.header else None
        for line, cells in lines:
            if header is None:
                if isinstance(cells, RecordError):
                    raise UserError(f"ingest.path: cannot read the header of {self.url}: {cells.detail}")
                header = cells
                chosen = pick_columns(self.config.columns, header)
                if not set(self.required) <= chosen.keys() and any("|" in cell for cell in header):
                    raise UserError(
                        f"ingest.path: {self.url} has '|' between its cells; set ingest.kind to ljspeech where it is "
                        "ID|TEXT, else ingest.delimiter, and ingest.header where it has none"
                    )
                require_columns(self.config.columns, header, required=self.required, table=self.url)
            elif isinstance(cells, RecordError):
                yield line, cells
            elif len(cells) != len(header):
                yield (
                    line,
                    RecordError("malformed_row", f"the row has {len(cells)} cells, the header has {len(header)}"),
                )
            else:
                yield line, dict(zip(header, cells, strict=True))


def _byte_lines(file: IO[bytes]) -> Iterator[tuple[int, bytes | RecordError]]:
    """Numbered lines that are not blank, without their line ends and the file's byte order mark."""
    for number, line in bounded_lines(file):
        if isinstance(line, RecordError):
            yield number, line
            continue
        content = (line.removeprefix(_BOM) if number == 1 else line).rstrip(b"\r\n")
        if content.strip():
            yield number, content


def _tsv_lines(file: IO[bytes], delimiter: str) -> Iterator[Numbered]:
    for number, line in _byte_lines(file):
        try:
            if isinstance(line, RecordError):
                raise line
            yield number, [_unquote(cell) for cell in decode_text(line).split(delimiter)]
        except RecordError as error:
            yield number, error


def _unquote(cell: str) -> str:
    quoted = _QUOTED.fullmatch(cell)
    return quoted[1].replace('""', '"') if quoted else cell


class _BoundedLines:
    """Lines of a text, as ``csv`` wants them; raises RecordError in place of one that is too long for memory."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text

    def __iter__(self) -> "_BoundedLines":
        return self

    def __next__(self) -> str:
        line = self._text.readline(MAX_LINE_BYTES + 1)
        if not line:
            raise StopIteration
        if len(line) <= MAX_LINE_BYTES:
            return line
        while line and not line.endswith("\n"):
            line = self._text.readline(MAX_LINE_BYTES)
        raise RecordError("malformed_row", f"the line is longer than {MAX_LINE_BYTES} characters")


def _csv_lines(file: IO[bytes], delimiter: str) -> Iterator[Numbered]:
    # Bytes that are no UTF-8 pass the reader as lone surrogates, so that they are met in their own row.
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.reader(_BoundedLines(text), delimiter=delimiter, strict=True)
    while True:
        start = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # a quote that is never closed swallows rows: each line counts as one that is lost
            for line in range(start, reader.line_num + 1):
                yield line, RecordError("malformed_row", f"lines {start} to {reader.line_num}: {error}")
            continue
        except RecordError as error:
            for line in range(start, max(start, reader.line_num) + 1):
                yield line, error
            continue
        if has_surrogates("".join(cells)):
            yield start, RecordError("invalid_utf8", "the text is not UTF-8")
        elif any(cells):
            yield start, cells


def _json_records(file: IO[bytes], url: str) -> Iterator[tuple[int, dict[str, object] | RecordError]]:
    for number, line in _byte_lines(file):
        try:
            if isinstance(line, RecordError):
                raise line
            if number == 1 and line.lstrip().startswith(b"["):
                raise UserError(f"ingest.path: {url} is one JSON array; write an object a line (`jq -c '.[]'` does)")
            value = json.loads(decode_text(line))
        except RecordError as error:
            yield number, error
            continue
        except (ValueError, RecursionError) as error:
            yield number, RecordError("malformed_row", f"the line is not JSON: {error}")
            continue
        yield number, value if isinstance(value, dict) else RecordError("malformed_row", "the line is no JSON object")
