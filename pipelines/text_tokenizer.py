"""The text tokenizer of a run: the one that its job names, or one fitted on the corpus's transcripts."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from pipelines.config import RunConfig
from pipelines.files import make_folder, read_ids
from pipelines.run_folder import RunFolder
from pipelines.store import ShardSet
from transforms.text.tokenizer import copy_text_tokenizer, fit_sentencepiece, load_tokenizer


def prepare_tokenizer(config: RunConfig, folder: RunFolder) -> None:
    """Put the tokenizer into the run's folder.

    Raises:
        UserError: The named tokenizer is none.
    """
    target = Path(folder.tokenizer)
    make_folder(folder.tokenizer)
    if config.text.path is None:
        fit_sentencepiece(_texts(config, folder), vocab_size=config.text.vocab_size, output=target)
    else:
        copy_text_tokenizer(Path(config.text.path), target)
    load_tokenizer(target)


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
