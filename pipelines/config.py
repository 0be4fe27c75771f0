"""The typed form of a corpus job."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, SerializeAsAny

from pipelines.engines.local import LocalEngine
from pipelines.engines.placement import Resources
from pipelines.engines.protocol import Engine
from pipelines.engines.ray import RayEngine
from pipelines.ingest import IngestConfig, OneOrSeveral, several
from pipelines.yaml_config import OutputFolder, Section, read_yaml, validate
from schemas.errors import UserError
from transforms.align.gate import GateConfig
from transforms.backend import BackendConfig
from transforms.devices import Device, pick_device
from transforms.interleave import InterleaveConfig
from transforms.registry import BACKENDS, Role, config_class

DEFAULT_KINDS: dict[Role, str] = {"align": "fused", "units": "whisper", "pitch": "fcpe", "style": "prosody"}


class LocalEngineConfig(Section):
    """This machine. ``workers`` processes share its cores."""

    kind: Literal["local"] = "local"
    workers: int = Field(default=2, ge=1)

    def workers_of(self, stage: str) -> int:
        return self.workers

    def on_gpu(self, stage: str, device: Device) -> bool:
        return device != "cpu" and pick_device(device).type == "cuda"

    def build(self, scratch: str) -> Engine:
        return LocalEngine(self.workers)


class ResourcesConfig(Section):
    """A pool of Ray actors: how many, and what each of them takes of a machine."""

    workers: int = Field(default=2, ge=1)
    num_cpus: float = Field(default=0.5, gt=0)
    num_gpus: float = Field(default=0, ge=0)

    def build_resources(self) -> Resources:
        return Resources(self.workers, self.num_cpus, self.num_gpus)


class RayEngineConfig(ResourcesConfig):
    """A Ray cluster (``address``), or a Ray of its own on this machine.

    ``stages`` gives a stage (decode, align, units, pitch, style) a pool of its own; neighbours that ask for the same
    share one.
    """

    kind: Literal["ray"] = "ray"
    address: str | None = None
    stages: dict[str, ResourcesConfig] = Field(default_factory=dict)
    start_timeout_s: float = Field(default=60, ge=0)

    def workers_of(self, stage: str) -> int:
        return self.stages.get(stage, self).workers

    def on_gpu(self, stage: str, device: Device) -> bool:
        return device != "cpu" and self.stages.get(stage, self).num_gpus > 0

    def build(self, scratch: str) -> Engine:
        return RayEngine(
            self.build_resources(),
            self.address,
            {name: stage.build_resources() for name, stage in self.stages.items()},
            self.start_timeout_s,
        )


class BeamEngineConfig(Section):
    """Any Beam runner. ``options`` are its own: ``{project: ..., region: ..., temp_location: ...}``."""

    kind: Literal["beam"] = "beam"
    workers: int = Field(default=2, ge=1)
    runner: str = "DirectRunner"
    options: dict[str, bool | int | float | str | list[str]] = Field(default_factory=dict)

    def workers_of(self, stage: str) -> int:
        return self.workers

    def on_gpu(self, stage: str, device: Device) -> bool:
        """What ``auto`` finds on a runner's workers is not known here."""
        return device == "cuda"

    def build(self, scratch: str) -> Engine:
        # what Beam lacks of clouds that nobody asked for is no news
        logging.getLogger("apache_beam").setLevel(logging.ERROR)
        from pipelines.engines.beam import BeamEngine  # two seconds that other engines need not wait

        return BeamEngine(self.workers, scratch, self.runner, self.options)


EngineConfig = Annotated[LocalEngineConfig | RayEngineConfig | BeamEngineConfig, Field(discriminator="kind")]


class MetricsConfig(Section):
    """Prometheus's text, on request: served at ``prometheus_port``, or written to a file for a node's collector."""

    prometheus_port: int | None = Field(default=None, ge=1, le=65535)
    prometheus_file: str | None = None


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
    """A corpus job: one YAML file, a section a stage.

    ``batch_rows`` records go through the stages together; it is part of what decides the bytes.
    """

    output: OutputFolder
    seed: int = 0
    limit: int | None = Field(default=None, ge=1)
    max_failed_ratio: float = Field(default=0.01, ge=0, le=1)
    max_duration_s: float = Field(default=100, gt=0, allow_inf_nan=False)
    batch_rows: int = Field(default=16, ge=1)
    metrics: MetricsConfig = Field(default_factory=MetricsConfig)
    engine: EngineConfig = Field(default_factory=LocalEngineConfig)
    ingest: OneOrSeveral
    align: SerializeAsAny[BackendConfig]
    gate: GateConfig = Field(default_factory=GateConfig)
    units: SerializeAsAny[BackendConfig]
    pitch: SerializeAsAny[BackendConfig] | None
    style: SerializeAsAny[BackendConfig] | None
    store: StoreConfig = Field(default_factory=StoreConfig)
    text: TextConfig = Field(default_factory=TextConfig)
    interleave: BakeConfig = Field(default_factory=BakeConfig)

    @property
    def sources(self) -> list[IngestConfig]:
        """The corpora that are read, one after another."""
        return several(self.ingest)

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
            kinds = ", ".join(BACKENDS[role])
            raise UserError(f"{where}: {role}: expected a section with a kind, one of {kinds} (given: {section!r})")
        kind = section.get("kind", DEFAULT_KINDS[role])
        if not isinstance(kind, str):
            raise UserError(f"{where}: {role}.kind: expected the name of a backend (given: {kind!r})")
        try:
            cls = config_class(role, kind)
        except UserError as error:
            raise UserError(f"{where}: {error}") from error
        resolved[role] = validate(cls, section, where=where, section=role)
    return resolved


def on_engine(section: object, kind: str) -> dict[str, Any]:
    """An ``engine`` section for another kind: what that kind has no key for is left out, the workers stay."""
    models: dict[str, type[Section]] = {"local": LocalEngineConfig, "ray": RayEngineConfig, "beam": BeamEngineConfig}
    known = models[kind].model_fields
    kept = section.items() if isinstance(section, dict) else ()
    return {**{key: value for key, value in kept if key in known}, "kind": kind}


def load_run(path: str | Path, *, overrides: Sequence[str] = (), engine: str | None = None) -> RunConfig:
    """Read and check a corpus job; ``engine`` is a kind that it runs on in place of its own.

    Raises:
        UserError: One line with the path of the wrong key.
    """
    data = read_yaml(path, overrides=overrides)
    if engine is not None and not (isinstance(own := data.get("engine"), dict) and own.get("kind") == engine):
        data["engine"] = on_engine(own, engine)
    resolved = resolve_backends(data, ("align", "units", "pitch", "style"), where=str(path))
    return validate(RunConfig, resolved, where=str(path))
