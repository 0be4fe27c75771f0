"""The typed form of a corpus job."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, SerializeAsAny, model_validator

from pipelines.backends import resolve_backends
from pipelines.engines.local import LocalEngine
from pipelines.engines.placement import Resources
from pipelines.engines.protocol import Engine
from pipelines.engines.ray import RayEngine
from pipelines.ingest import IngestConfig, OneOrSeveral, several
from pipelines.stages import TranscriberConfig
from pipelines.yaml_config import OutputFolder, Section, read_yaml, validate
from transforms.align.gate import GateConfig
from transforms.backend import BackendConfig
from transforms.devices import Device, pick_device
from transforms.interleave import InterleaveConfig


class LocalEngineConfig(Section):
    """This machine.

    Args:
        workers: Processes that share the machine's cores; each takes shards of its own.
    """

    kind: Literal["local"] = "local"
    workers: int = Field(default=2, ge=1)

    def workers_of(self, stage: str) -> int:
        return self.workers

    def on_gpu(self, stage: str, device: Device) -> bool:
        return device != "cpu" and pick_device(device).type == "cuda"

    def build(self, scratch: str) -> Engine:
        return LocalEngine(self.workers)


class ResourcesConfig(Section):
    """A pool of Ray actors: how many, and what each of them takes of a machine.

    Args:
        workers: Actors in the pool.
        num_cpus: CPUs that Ray reserves for each; below 1 leaves room on a small machine for the tasks that feed them.
        num_gpus: GPUs, or a fraction of one, that Ray reserves for each.
    """

    workers: int = Field(default=2, ge=1)
    num_cpus: float = Field(default=0.5, gt=0)
    num_gpus: float = Field(default=0, ge=0)

    def build_resources(self) -> Resources:
        return Resources(self.workers, self.num_cpus, self.num_gpus)


class RayEngineConfig(ResourcesConfig):
    """A Ray cluster, or a Ray of its own on this machine: a pool of actors, and others for the stages that want them.

    Args:
        address: Of a running cluster: ``auto`` on one of its machines, or ``ray://HOST:PORT``; null starts a Ray of its
            own on this machine.
        stages: Pools of their own for stages (``decode``, ``align``, ``units``, ``pitch``, ``style``); neighbours that
            ask for the same share one.
        start_timeout_s: How long a cluster may take to grow to what is asked for.
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
    """Any Beam runner.

    Args:
        workers: Processes of ``DirectRunner``; what other runners take is in ``options``.
        runner: Name of a Beam runner: ``DirectRunner``, ``DataflowRunner``, ``FlinkRunner``, ``SparkRunner``.
        options: The runner's own pipeline options: ``{project: ..., region: ..., temp_location: ...}``.
    """

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
    """How far a run is, for Prometheus; ``metrics.json`` says the same in any case.

    Args:
        prometheus_port: Serve Prometheus's text at this port while the run lasts.
        prometheus_file: Write it to this file, for a node's collector; its folder must exist.
    """

    prometheus_port: int | None = Field(default=None, ge=1, le=65535)
    prometheus_file: str | None = None


class StoreConfig(Section):
    """The token store.

    Args:
        shards: Number of shards, the unit of commit and of resume: about four a worker, ten minutes of work each.
        audio: Keep each recording as FLAC beside its tokens.
    """

    shards: int = Field(default=16, ge=1, le=99_999)
    audio: bool = False


class TextConfig(Section):
    """The text tokenizer: one that is there already, or one fitted on the transcripts.

    Args:
        path: A SentencePiece model or a tokenizer's folder; null fits a SentencePiece model on the corpus.
        vocab_size: Pieces of a fitted tokenizer.
        max_sentences: A fit takes at most so many texts.
        exclude_ids: File with utterance ids, one a line, whose texts a fit leaves out.
    """

    path: str | None = None
    vocab_size: int = Field(default=1000, ge=300)
    max_sentences: int = Field(default=1_000_000, ge=1)
    exclude_ids: str | None = None


class BakeConfig(InterleaveConfig):
    """Baked training shards: how modalities alternate (defaults: Spirit LM, section 3.1), and what speech is made of.

    A short utterance may end before its first run does: with the defaults 96 % of those of 6 words have no switch of
    modality, 77 % of 10, 42 % of 15, 2 % of 30. `plait plan` and `plait run` say so where they are more than a third of
    those of several words.

    Args:
        epochs: Draws that are baked, a folder each; 0 bakes none.
        streams: What speech is made of: ``base`` is units alone, ``expressive`` all streams of the token store.
        marker_style: ``plait`` writes ``[TEXT]`` and ``[SPEECH]``, ``spiritlm`` ``[Text]`` and ``[Speech]``.
    """

    epochs: int = Field(default=1, ge=0)
    streams: Literal["base", "expressive"] = "expressive"
    marker_style: Literal["plait", "spiritlm"] = "plait"


class RunConfig(Section):
    """A corpus job: recordings and texts in, a token store and training shards out. ``plait plan`` reads the same file.

    Args:
        output: Folder of the run, local or in a bucket.
        seed: Of the draws that interleave text and speech.
        limit: First N utterances by id, for a trial.
        max_failed_ratio: The run stops when more than this share of the records failed, and at least ten; filtered ones
            are no failures.
        max_duration_s: Longer recordings are filtered; ``plait segment`` cuts them first.
        batch_rows: Records that go through the stages together, more for a GPU; part of what decides the bytes.
        metrics: Where Prometheus finds how far the run is.
        engine: Where the work is done; the bytes don't depend on it.
        ingest: The corpus, or a list of corpora that are read one after another.
        align: What finds the times of the words; null for speech alone: texts, where there are any, are kept and not
            aligned.
        gate: What alignments are rejected, and which are trimmed.
        units: What makes the unit tokens.
        pitch: What makes the pitch tokens; null for none.
        style: What makes the style tokens; null for none.
        store: The token store.
        text: The text tokenizer.
        interleave: The training shards that are baked from the token store.
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
    align: SerializeAsAny[BackendConfig] | None
    gate: GateConfig = Field(default_factory=GateConfig)
    units: SerializeAsAny[BackendConfig]
    pitch: SerializeAsAny[BackendConfig] | None
    style: SerializeAsAny[BackendConfig] | None
    store: StoreConfig = Field(default_factory=StoreConfig)
    text: TextConfig = Field(default_factory=TextConfig)
    interleave: BakeConfig = Field(default_factory=BakeConfig)

    @model_validator(mode="after")
    def _bakes_with_a_tokenizer(self) -> "RunConfig":
        if self.align is None and self.text.path is None and self.interleave.epochs:
            raise ValueError(
                "align: null leaves no words to fit a text tokenizer on; name one (text.path), or bake nothing "
                "(interleave.epochs: 0)"
            )
        return self

    @property
    def sources(self) -> list[IngestConfig]:
        """The corpora that are read, one after another."""
        return several(self.ingest)

    @property
    def needs_text(self) -> bool:
        """Whether a recording without a text is dropped."""
        return self.align is not None and self.transcriber is None

    @property
    def transcriber(self) -> TranscriberConfig | None:
        """Of recordings without texts."""
        return getattr(self.align, "transcriber", None)

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


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
