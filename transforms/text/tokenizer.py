"""Subword tokenizers for text: SentencePiece (fitted here) and any Hugging Face tokenizer (a folder).

Fitting follows the Llama family: BPE with byte fallback and a dummy leading space, so a span of words encodes the
same wherever it is cut. Unlike it, nothing is normalised: ``decode(encode(text)) == text`` for every text without
U+2581, SentencePiece's sign for a space.
"""

import hashlib
import io
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sentencepiece

from schemas.errors import UserError, on_one_line
from transforms.backend import digest_file

SENTENCEPIECE_FILE = "tokenizer.model"
HF_FILE = "tokenizer.json"


def fit_sentencepiece(lines: Iterable[str], *, vocab_size: int, output: Path) -> Path:
    """Fit a BPE model and write it as ``output/tokenizer.model``. The same lines in the same order give the same bytes.

    Ids 0, 1, 2 are ``<unk>``, ``<s>`` (BOS), ``</s>`` (EOS), then 256 byte tokens. A corpus too small for
    ``vocab_size`` gives a smaller vocabulary.

    Raises:
        UserError: No text, or ``vocab_size`` has no room for the bytes and the letters of the corpus.
    """
    texts = [line for line in lines if line.strip()]
    if not texts:
        raise UserError("the corpus has no text to fit a tokenizer on; check the transcripts")
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=model,
            model_type="bpe",
            vocab_size=vocab_size,
            hard_vocab_limit=False,
            byte_fallback=True,
            character_coverage=0.9995,
            split_digits=True,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            max_sentence_length=1 << 20,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        if "Vocabulary size is smaller" not in str(error):
            raise
        raise UserError(f"text.vocab_size: {vocab_size} is too small for this corpus's letters; raise it") from error
    output.mkdir(parents=True, exist_ok=True)
    path = output / SENTENCEPIECE_FILE
    path.write_bytes(model.getvalue())
    return path


class SentencePieceTokenizer:
    """A SentencePiece model; pickles by its bytes."""

    def __init__(self, path: Path) -> None:
        self._open(path, path.read_bytes())

    def _open(self, path: Path, model: bytes) -> None:
        self.path = path
        self.model = model
        try:
            self.processor: Any = sentencepiece.SentencePieceProcessor(model_proto=model)
        except RuntimeError as error:
            raise _damaged(path, error) from error
        if self.processor.bos_id() < 0 or self.processor.eos_id() < 0:
            raise UserError("the SentencePiece model has no BOS or EOS token; use one that has both")

    def __getstate__(self) -> tuple[Path, bytes]:
        return self.path, self.model

    def __setstate__(self, state: tuple[Path, bytes]) -> None:
        self._open(*state)

    @property
    def vocab_size(self) -> int:
        return int(self.processor.vocab_size())

    @property
    def bos_id(self) -> int:
        return int(self.processor.bos_id())

    @property
    def eos_id(self) -> int:
        return int(self.processor.eos_id())

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.model).hexdigest()[:16]

    def encode(self, text: str) -> list[int]:
        return list(self.processor.encode(text))

    def decode(self, ids: list[int]) -> str:
        return str(self.processor.decode(ids))


class HfTokenizer:
    """A fast Hugging Face tokenizer, from a local folder. Special tokens written in a text are text, not control."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer

        self.path = folder
        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except Exception as error:  # of a damaged file, tokenizers raises nothing narrower
            raise _damaged(folder, error) from error
        if not self.tokenizer.is_fast:
            raise UserError(f"{folder}: not a fast tokenizer; convert it, so that the folder has {HF_FILE}")
        self.tokenizer.backend_tokenizer.encode_special_tokens = True
        if self.tokenizer.eos_token_id is None:
            raise UserError(f"{folder}: the tokenizer has no EOS token")
        self._size: int = max(self.tokenizer.get_vocab().values()) + 1
        self.fingerprint = digest_file(folder / HF_FILE)[:16]

    @property
    def vocab_size(self) -> int:
        return self._size

    @property
    def bos_id(self) -> int:
        """The tokenizer's BOS, or its EOS where it has none (Qwen, GPT-2), which then separates documents."""
        bos = self.tokenizer.bos_token_id
        return int(self.tokenizer.eos_token_id if bos is None else bos)

    @property
    def eos_id(self) -> int:
        return int(self.tokenizer.eos_token_id)

    def encode(self, text: str) -> list[int]:
        return list(self.tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: list[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def load_tokenizer(path: str | Path) -> SentencePieceTokenizer | HfTokenizer:
    """The tokenizer at a path: a SentencePiece ``.model`` file, or a folder with ``tokenizer.json`` or one such file.

    Raises:
        UserError: Nothing of the kind is there, or it is damaged.
    """
    path = Path(path)
    if (path / HF_FILE).is_file():
        return HfTokenizer(path)
    models = [path] if path.is_file() else list(path.glob("*.model"))
    if len(models) == 1 and models[0].suffix == ".model":
        return SentencePieceTokenizer(models[0])
    raise UserError(f"no text tokenizer at {path}: expected a .model file, or a folder with {HF_FILE} or one .model")


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(f"{path}: cannot be opened as a text tokenizer ({on_one_line(error)}); copy it anew")


def copy_text_tokenizer(source: Path, target: Path) -> None:
    """Copy a ``.model`` file or the tokenizer files of a folder (weights beside them stay where they are)."""
    target.mkdir(parents=True, exist_ok=True)
    files = [source] if source.is_file() else [p for p in source.iterdir() if p.suffix in (".json", ".model", ".txt")]
    for file in files:
        shutil.copyfile(file, target / file.name)
