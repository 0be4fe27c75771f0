"""Written documents beside a corpus, for the text source: files of text, each read whole, as a shard is."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import fsspec
import msgspec
import numpy as np

from pipelines.files import file_system, patiently
from pipelines.train.tables import SequenceTable
from schemas.errors import UserError
from schemas.records import TokenIds
from schemas.vocabulary import VocabularyLayout
from transforms.text.protocol import TextTokenizer


class _Line(msgspec.Struct, gc=False):
    text: str


_LINES = msgspec.json.Decoder(_Line)


@dataclass(frozen=True)
class TextReader:
    """Reads a file to a table with the tokens of a document a row: the text marker and the text's tokens.

    A line of a ``.jsonl`` file is an object with ``text``, a line of any other file a document; ``.gz`` and the like
    are unpacked.
    """

    layout: VocabularyLayout
    tokenizer: TextTokenizer

    def __call__(self, url: str) -> SequenceTable:
        marker = np.array([self.layout.text_marker], np.int32)
        names: list[str] = []
        parts: list[TokenIds] = [np.zeros(0, np.int32)]
        for number, text in _documents(url):
            parts.append(np.concatenate([marker, np.array(self.tokenizer.encode(text), np.int32)]))
            names.append(f"{url}:{number}")
        return SequenceTable(
            tuple(names), np.concatenate(parts), array("q", np.cumsum([len(part) for part in parts]).tolist())
        )


def _documents(url: str) -> Iterator[tuple[int, str]]:
    """Documents with the numbers of their lines; blank ones are passed over.

    Raises:
        UserError: No UTF-8, or a line of a ``.jsonl`` file is no object with ``text``.
    """

    def read() -> str:
        with fsspec.open(url, "rt", encoding="utf-8", compression="infer") as file:
            return str(file.read())

    try:
        lines = patiently(url, read).split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"data.texts: {url} is not UTF-8 text") from error
    json = ".jsonl" in url.rsplit("/", 1)[-1]
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            text = (_LINES.decode(line).text if json else line).strip()
        except msgspec.MsgspecError as error:
            raise UserError(f'data.texts: {url}:{number}: {error}; expected {{"text": "..."}}') from error
        if text:
            yield number, text


def sizes_of(urls: Sequence[str]) -> list[tuple[str, int]]:
    """Names and bytes of the files, by which changed data are told apart without being read.

    Raises:
        UserError: There is no such file.
    """

    def size_of(url: str) -> int:
        filesystem, path = file_system(url)
        try:
            return int(patiently(url, lambda: filesystem.size(path)))
        except FileNotFoundError as error:
            raise UserError(f"data.texts: no file {url}; each is a file of text, a document a line") from error

    return [(url.rsplit("/", 1)[-1], size_of(url)) for url in urls]
