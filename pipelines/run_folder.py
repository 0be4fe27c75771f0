"""Where the parts of a run lie below its output."""

from dataclasses import dataclass

from pipelines.files import join


@dataclass(frozen=True, slots=True)
class RunFolder:
    """URLs of a run's parts."""

    output: str

    @property
    def corpus(self) -> str:
        return join(self.output, "corpus")

    @property
    def dropped(self) -> str:
        return join(self.output, "dropped.parquet")

    @property
    def tokenizer(self) -> str:
        return join(self.output, "tokenizer")

    @property
    def rows(self) -> str:
        return join(self.output, ".rows")

    def interleaved(self, epoch: int) -> str:
        return join(self.output, "interleaved", f"epoch-{epoch}")
