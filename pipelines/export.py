"""`plait export`: the word times of a token store for Praat (TextGrid) and Kaldi (CTM)."""

import re
from collections.abc import Iterable, Iterator
from typing import Literal
from urllib.parse import quote

from pipelines.files import exists, join, make_folder, open_write, write_text
from pipelines.store import MANIFEST, ShardSet
from schemas.errors import UserError
from schemas.records import AlignedWord, StoredUtterance
from transforms.align.given_index import file_name_of
from transforms.align.given_textgrid import seconds, write_textgrid

ExportFormat = Literal["textgrid", "ctm"]
CTM_NAME = "words.ctm"
_ENDING = ".TextGrid"
_LONGEST_NAME_BYTES = 238  # 255 with what is set before it while the file is written


def export(corpus_output: str, format: ExportFormat, target: str) -> int:
    """Write the words of every utterance; the number of utterances.

    ``textgrid`` makes one file an utterance, named by its id (letters and digits of any script, ``_`` and ``-`` as they
    are, the rest percent-encoded; a slash makes a folder), ``ctm`` the one file ``words.ctm``. Times are exact to the
    sample, so that the aligner ``given`` reads back what was stored.

    Args:
        corpus_output: The output folder of a run, or its token store.
        format: What to write.
        target: Folder.

    Raises:
        UserError: No finished token store there, or one without words; an id too long for a file name (before anything
            is written), or a word that the format cannot hold.
    """
    inner = join(corpus_output, "corpus")
    store = ShardSet(inner if exists(join(inner, MANIFEST)) else corpus_output)
    if not store.manifest.count("words"):
        raise UserError(f"export: {store.folder} holds no words; its job has align: null")
    if format == "textgrid":
        for record in store.utterances():
            _check_length(record.utterance_id)
    make_folder(target)
    return _write_ctm(store.utterances(), target) if format == "ctm" else _write_textgrids(store.utterances(), target)


def _check_length(utterance_id: str) -> None:
    *parents, name = map(file_name_of, utterance_id.split("/"))
    longest = max(len(part.encode()) for part in (*parents, f"{name}{_ENDING}"))
    if longest > _LONGEST_NAME_BYTES:
        shown = f"{utterance_id[:40]}..." if len(utterance_id) > 40 else utterance_id
        raise UserError(
            f"export: the id {shown} makes a file name of {longest} bytes, {_LONGEST_NAME_BYTES} is the most; use --ctm"
        )


def _write_textgrids(utterances: Iterator[StoredUtterance], target: str) -> int:
    count = 0
    folders = {""}
    for record in utterances:
        *parents, name = (file_name_of(part) for part in record.utterance_id.split("/"))
        folder = "/".join(parents)
        if folder not in folders:
            make_folder(join(target, folder))
            folders = {"", folder}
        try:
            text = write_textgrid(record.words, num_samples=record.num_samples)
        except ValueError as error:
            raise UserError(f"{record.utterance_id}: {error}; a TextGrid cannot hold it, export as CTM") from error
        write_text(join(target, *parents, f"{name}{_ENDING}"), text)
        count += 1
    return count


def _write_ctm(utterances: Iterator[StoredUtterance], target: str) -> int:
    """Scores are left out, as a CTM's are probabilities."""
    count = 0
    with open_write(join(target, CTM_NAME)) as file:
        for record in utterances:
            file.writelines(line.encode() for line in ctm_lines(record.utterance_id, record.words))
            count += 1
    return count


def ctm_lines(utterance_id: str, words: Iterable[AlignedWord]) -> Iterator[str]:
    """``id 1 start duration word``, the id percent-encoded where it would part the line."""
    name = re.sub(r"[\s%;]", lambda found: quote(found[0], safe=""), utterance_id)
    for word in words:
        start, duration = seconds(word.start_sample), seconds(word.end_sample - word.start_sample)
        yield f"{name} 1 {start} {duration} {word.text}\n"
