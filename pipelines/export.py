"""`plait export`: the word times of a token store for Praat (TextGrid) and Kaldi (CTM)."""

import re
from collections.abc import Iterable, Iterator
from typing import Literal
from urllib.parse import quote

from pipelines.files import exists, join, make_folder, open_write, write_text
from pipelines.store import MANIFEST, ShardSet, key_of
from schemas.errors import UserError
from schemas.records import AlignedWord, StoredUtterance
from transforms.align.given_textgrid import seconds, write_textgrid

ExportFormat = Literal["textgrid", "ctm"]
CTM_NAME = "words.ctm"


def export(corpus_output: str, format: ExportFormat, target: str) -> int:
    """Write the words of every utterance; the number of utterances.

    ``textgrid`` makes one file an utterance, named by its id (percent-encoded where a file name needs it; a slash
    makes a folder), ``ctm`` the one file ``words.ctm``. Times are exact to the sample, so that the aligner ``given``
    reads back what was stored.

    Args:
        corpus_output: The output folder of a run, or its token store.
        format: What to write.
        target: Folder.

    Raises:
        UserError: No finished token store there, or a word that the format cannot hold.
    """
    inner = join(corpus_output, "corpus")
    store = ShardSet(inner if exists(join(inner, MANIFEST)) else corpus_output)
    store.manifest  # noqa: B018 - raises where there is none, before anything is written
    utterances = store.utterances()
    make_folder(target)
    return _write_ctm(utterances, target) if format == "ctm" else _write_textgrids(utterances, target)


def _write_textgrids(utterances: Iterator[StoredUtterance], target: str) -> int:
    count = 0
    folders = {""}
    for record in utterances:
        *parents, name = (key_of(part) for part in record.utterance_id.split("/"))
        folder = "/".join(parents)
        if folder not in folders:
            make_folder(join(target, folder))
            folders = {"", folder}
        try:
            text = write_textgrid(record.words, num_samples=record.num_samples)
        except ValueError as error:
            raise UserError(f"{record.utterance_id}: {error}; a TextGrid cannot hold it, export as CTM") from error
        write_text(join(target, *parents, f"{name}.TextGrid"), text)
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
