"""The contract of a subword tokenizer for text."""

from typing import Protocol


class TextTokenizer(Protocol):
    """Ids are ``0 .. vocab_size - 1``; ``encode`` adds neither BOS nor EOS."""

    @property
    def vocab_size(self) -> int: ...

    @property
    def bos_id(self) -> int: ...

    @property
    def eos_id(self) -> int: ...

    @property
    def fingerprint(self) -> str: ...

    def encode(self, text: str) -> list[int]: ...

    def decode(self, ids: list[int]) -> str: ...
