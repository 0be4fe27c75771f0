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
    def opted_out(self) -> str:
        """Ids that must reach no shard, one a line."""
        return join(self.output, "opted-out.txt")

    @property
    def work(self) -> str:
        """What a run needs while it goes, and removes."""
        return join(self.output, ".work")

    @property
    def baked(self) -> str:
        """Folder of the epochs."""
        return join(self.output, "interleaved")

    def interleaved(self, epoch: int) -> str:
        return join(self.baked, f"epoch-{epoch}")
