"""Reads corpora that are told by their file names: LibriSpeech's tree, and folders of audio with ``.txt``.

Listing is folder by folder; memory is that of the largest folder. Hidden files are left out.
"""

from collections.abc import Iterator
from functools import partial
from typing import IO

from pipelines.files import map_ahead
from pipelines.ingest.config import FolderConfig, LibriSpeechConfig
from pipelines.ingest.location import AUDIO_EXTENSIONS, Location, extension_of, stem
from pipelines.ingest.rows import MAX_LINE_BYTES, bounded_lines, decode_text, make_letter, make_row
from schemas.errors import RecordError, UserError
from schemas.records import DeadLetter, SourceRow

_TRANSCRIPT = ".trans.txt"


def _open_folder(path: str) -> Location:
    location = Location.of(path, option="ingest.path")
    if location.require(option="ingest.path") != "directory":
        raise UserError(f"ingest.path: {path} is a file; name the folder that holds the corpus")
    return location


def _audio_by_stem(files: list[str]) -> tuple[dict[str, str], list[str]]:
    """First audio file of each stem, and the files whose stem another one has already taken."""
    chosen: dict[str, str] = {}
    rest = [
        base for base in files if extension_of(base) in AUDIO_EXTENSIONS and chosen.setdefault(stem(base), base) != base
    ]
    return chosen, rest


def _ambiguous(location: Location, name: str, taken: str) -> DeadLetter:
    error = RecordError("ambiguous_audio", f"{taken} has the same name and was taken instead")
    return make_letter(name, error, audio=location.url_of(name))


def read_folder(config: FolderConfig) -> Iterator[SourceRow | DeadLetter]:
    """One row for every audio file and for every ``.txt`` whose audio is missing; the id is the relative path.

    Raises:
        UserError: No such folder.
    """
    location = _open_folder(config.path)
    return map_ahead(config.path, partial(_row_of_files, config, location), _files_by_stem(location))


def _files_by_stem(location: Location) -> Iterator[DeadLetter | tuple[str, str | None, str | None]]:
    """Path without an extension, and audio and text of that name."""
    for folder, files in location.folders():
        prefix = f"{folder}/" if folder else ""
        texts = {stem(base): base for base in files if extension_of(base) == "txt"}
        audio, rest = _audio_by_stem(files)
        for base in rest:
            yield _ambiguous(location, prefix + base, audio[stem(base)])
        for name in sorted(audio.keys() | texts.keys()):
            found, text = audio.get(name), texts.get(name)
            yield prefix + name, found and prefix + found, text and prefix + text


def _row_of_files(
    config: FolderConfig, location: Location, item: DeadLetter | tuple[str, str | None, str | None]
) -> SourceRow | DeadLetter:
    if isinstance(item, DeadLetter):
        return item
    name, audio, text_file = item
    url = location.url_of(audio or name)
    try:
        text = ""
        if text_file is not None:
            with location.open_file(text_file) as file:
                text = decode_text(_whole(file).removeprefix(b"\xef\xbb\xbf")).strip()
        return make_row(config, utterance_id=name, audio=url, text=text)
    except RecordError as error:
        return make_letter(text_file or name, error, audio=url)


def _whole(file: IO[bytes]) -> bytes:
    """Raises RecordError (``malformed_row``) for what is no transcript by its size."""
    data = file.read(MAX_LINE_BYTES + 1)
    if len(data) > MAX_LINE_BYTES:
        raise RecordError("malformed_row", f"the text is longer than {MAX_LINE_BYTES} bytes")
    return data


def read_librispeech(config: LibriSpeechConfig, *, needs_text: bool = True) -> Iterator[SourceRow | DeadLetter]:
    """Rows of a LibriSpeech tree; the speaker is the part of the id before the first hyphen.

    Raises:
        UserError: No such folder, or no ``*.trans.txt`` in it.
    """
    location = _open_folder(config.path)
    transcripts = 0
    for folder, files in location.folders():
        prefix = f"{folder}/" if folder else ""
        audio, rest = _audio_by_stem(files)
        for base in rest:
            yield _ambiguous(location, prefix + base, audio[stem(base)])
        for base in files:
            if base.endswith(_TRANSCRIPT):
                transcripts += 1
                yield from _read_transcript(config, location, prefix, base, audio)
        for name, base in sorted(audio.items()):  # what no transcript has claimed
            yield from _utterance(config, location, prefix, name, base, "")
    if needs_text and not transcripts:
        raise UserError(
            f"ingest.path: no *{_TRANSCRIPT} below {config.path}; for audio with .txt use ingest.kind=folder"
        )


def _read_transcript(
    config: LibriSpeechConfig, location: Location, prefix: str, base: str, audio: dict[str, str]
) -> Iterator[SourceRow | DeadLetter]:
    """Rows of one transcript file. Takes the utterances that it names out of ``audio``."""
    try:
        opened = location.open_file(prefix + base)
    except RecordError as error:
        yield make_letter(prefix + base, error, audio=location.url_of(prefix + base))
        return
    with opened as file:
        for number, line in bounded_lines(file):
            if isinstance(line, bytes) and not line.strip():
                continue
            try:
                if isinstance(line, RecordError):
                    raise line
                name, _, text = decode_text(line).strip().partition(" ")
            except RecordError as error:
                yield make_letter(f"{prefix}{base}:{number}", error, audio=location.url_of(prefix + base))
                # The id may be readable still; its audio is accounted for by this letter.
                if isinstance(line, bytes):
                    audio.pop(line.split(b" ", 1)[0].decode("utf-8", "replace"), None)
                continue
            yield from _utterance(config, location, prefix, name, audio.pop(name, f"{name}.flac"), text.strip())


def _utterance(
    config: LibriSpeechConfig, location: Location, prefix: str, name: str, base: str, text: str
) -> Iterator[SourceRow | DeadLetter]:
    url = location.url_of(prefix + base)
    speaker, hyphen, _ = name.partition("-")
    try:
        yield make_row(config, utterance_id=name, audio=url, text=text, speaker=speaker if hyphen else "")
    except RecordError as error:
        yield make_letter(prefix + base, error, audio=url)
