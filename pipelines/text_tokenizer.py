"""The text tokenizer of a run: the one that its job names, or one fitted on the corpus's transcripts."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from pipelines.config import RunConfig
from pipelines.files import exists, join, make_folder, read_ids, read_text, write_bytes, write_text
from pipelines.run_folder import RunFolder
from pipelines.store import ShardSet
from schemas.manifest import dump_json
from transforms.text.tokenizer import copy_text_tokenizer, fit_sentencepiece, load_tokenizer

FITTED = "fitted.json"


def prepare_tokenizer(config: RunConfig, folder: RunFolder) -> None:
    """Put the tokenizer into the run's folder. One that was fitted there as the job asks stays: models know its ids.

    Speech alone has a tokenizer where the job names one.

    Raises:
        UserError: The named tokenizer is none.
    """
    if config.text.path is None and config.align is None:
        return
    wanted = dump_json(config.text.model_dump(mode="json"))
    fitted = join(folder.tokenizer, FITTED)
    if config.text.path is None and exists(fitted) and read_text(fitted) == wanted:
        return
    with TemporaryDirectory() as temporary:
        target = Path(temporary)
        if config.text.path is None:
            fit_sentencepiece(_texts(config, folder), vocab_size=config.text.vocab_size, output=target)
        else:
            copy_text_tokenizer(Path(config.text.path), target)
        load_tokenizer(target)
        make_folder(folder.tokenizer)
        for file in sorted(target.iterdir()):
            write_bytes(join(folder.tokenizer, file.name), file.read_bytes())
    if config.text.path is None:
        write_text(fitted, wanted)


def check_tokenizer(config: RunConfig) -> None:
    """Before hours of work: the named tokenizer opens.

    Raises:
        UserError: It does not.
    """
    if config.text.path is not None:
        load_tokenizer(config.text.path)
    read_ids(config.text.exclude_ids, option="text.exclude_ids")


def _texts(config: RunConfig, folder: RunFolder) -> Iterator[str]:
    excluded = read_ids(config.text.exclude_ids, option="text.exclude_ids") or frozenset()
    texts = (u.text for u in ShardSet(folder.corpus).utterances() if u.utterance_id not in excluded)
    return islice(texts, config.text.max_sentences)
