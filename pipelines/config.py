"""The typed form of a corpus job."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny

from pipelines.engines.local import LocalEngine
from pipelines.engines.protocol import Engine
from pipelines.engines.ray import RayEngine
from pipelines.ingest.config import IngestConfig
from pipelines.yaml_config import read_yaml, validate
from schemas.errors import UserError
from transforms.align.gate import GateConfig
from transforms.backend import BackendConfig
from transforms.interleave import InterleaveConfig
from transforms.registry import Role, config_class

DEFAULT_KINDS: dict[Role, str] = {"align": "pocketsphinx", "units": "whisper", "pitch": "fcpe", "style": "prosody"}


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LocalEngineConfig(Section):
    """This machine. ``workers`` processes share its cores."""

    kind: Literal["local"] = "local"
    workers: int = Field(default=2, ge=1)

    def build(self) -> Engine:
        return LocalEngine(self.workers)


class RayEngineConfig(Section):
    """A Ray cluster (``address``), or a Ray of its own on this machine."""

    kind: Literal["ray"] = "ray"
    workers: int = Field(default=2, ge=1)
    address: str | None = None
    num_cpus: float = Field(default=0.5, gt=0)
    num_gpus: float = Field(default=0, ge=0)

    def build(self) -> Engine:
        return RayEngine(self.workers, self.address, self.num_cpus, self.num_gpus)


EngineConfig = Annotated[LocalEngineConfig | RayEngineConfig, Field(discriminator="kind")]


class StoreConfig(Section):
    """The token store. ``audio`` keeps each recording as FLAC beside its tokens."""

    shards: int = Field(default=16, ge=1, le=99_999)
    audio: bool = False


class TextConfig(Section):
    """The text tokenizer: ``path`` of a SentencePiece model or a tokenizer's folder, or one fitted on the corpus.

    A fit takes at most ``max_sentences`` texts, and none of those whose ids ``exclude_ids`` (a file) lists.
    """

    path: str | None = None
    vocab_size: int = Field(default=1000, ge=300)
    max_sentences: int = Field(default=1_000_000, ge=1)
    exclude_ids: str | None = None


class BakeConfig(InterleaveConfig):
    """Baked training shards: the policy, the number of epochs, and the streams that speech is made of."""

    epochs: int = Field(default=1, ge=0)
    streams: Literal["base", "expressive"] = "expressive"
    marker_style: Literal["plait", "spiritlm"] = "plait"


class RunConfig(Section):
    """A corpus job: one YAML file, a section a stage."""

    output: str
    seed: int = 0
    limit: int | None = Field(default=None, ge=1)
    max_failed_ratio: float = Field(default=0.01, ge=0, le=1)
    max_duration_s: float = Field(default=100, gt=0)
    engine: EngineConfig = Field(default_factory=LocalEngineConfig)
    ingest: IngestConfig
    align: SerializeAsAny[BackendConfig]
    gate: GateConfig = Field(default_factory=GateConfig)
    units: SerializeAsAny[BackendConfig]
    pitch: SerializeAsAny[BackendConfig] | None
    style: SerializeAsAny[BackendConfig] | None
    store: StoreConfig = Field(default_factory=StoreConfig)
    text: TextConfig = Field(default_factory=TextConfig)
    interleave: BakeConfig = Field(default_factory=BakeConfig)

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def resolve_backends(data: dict[str, Any], roles: Sequence[Role], *, where: str) -> dict[str, Any]:
    """Replace the sections of the given roles by their backends' configs; a missing section takes the default."""
    resolved = dict(data)
    for role in roles:
        if role in data and data[role] is None and role in ("pitch", "style"):
            continue
        section = data.get(role, {})
        if not isinstance(section, dict):
            raise UserError(f"{where}: {role}: expected a section with a kind")
        cls = config_class(role, section.get("kind", DEFAULT_KINDS[role]))
        resolved[role] = validate(cls, section, where=where, section=role)
    return resolved


def load_run(path: str | Path, *, overrides: Sequence[str] = ()) -> RunConfig:
    """Read and check a corpus job.

    Raises:
        UserError: One line with the path of the wrong key.
    """
    data = read_yaml(path, overrides=overrides)
    resolved = resolve_backends(data, ("align", "units", "pitch", "style"), where=str(path))
    return validate(RunConfig, resolved, where=str(path))
