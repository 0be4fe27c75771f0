"""``plait fit hubert``: a HuBERT of any size on the user's own speech (Hsu et al. 2021, arXiv 2106.07447).

    targets    every recording's frames, clustered: MFCCs, another encoder's features, or the last model's own layer
    training   spans of frames are masked, their clusters predicted; from new weights in every iteration

Each iteration keeps its targets and its training state below ``work/``, under a name that says all that they depend on,
and goes on from there. The result is a folder that ``transformers`` and the ``hubert`` units backend open.

On several GPUs: ``torchrun --nproc-per-node N -m pipelines.cli fit hubert JOB.yaml``. Every process reads the targets
that the first one has made and takes its share of each batch.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from pipelines.files import copy, new_folder
from pipelines.fit.hubert_data import Batches, Crops, TargetedRecordings
from pipelines.fit.hubert_network import Pretraining, build_model
from pipelines.fit.hubert_targets import features_of, make_targets
from pipelines.fit.hubert_training import Processes, TrainingSettings, train
from pipelines.fit.recordings import IndexedRecordings
from pipelines.fit.report import FitData, remove_card, write_card
from pipelines.fit.speeds import AtSpeeds
from pipelines.yaml_config import Section
from schemas.errors import RecordError, UserError
from transforms.backend import digest_json
from transforms.devices import Device, pick_device
from transforms.units.hubert import HubertUnitsConfig

_KEPT_APART_EVERY = 40  # one recording in so many is judged and not learnt from


class Iteration(Section):
    """What one training predicts, and for how long.

    Args:
        targets: What is predicted: clusters of ``mfcc``, of the features of another ``encoder``, or of a ``layer`` of
            the model that the iteration before has made.
        encoder: With ``targets: encoder``: a ``units`` section without its codebook.
        layer: With ``targets: layer``: the layer, from 1.
        clusters: Number of clusters.
        components: Whitened principal components of the targets' features that are clustered; null clusters the
            standardised features. Of Whisper's layer, 128 give clusters nearer to phones.
        steps: Training steps.
    """

    targets: Literal["mfcc", "encoder", "layer"] = "mfcc"
    encoder: dict[str, Any] | None = None
    layer: int | None = Field(default=None, ge=1)
    clusters: int = Field(default=100, ge=2)
    components: int | None = Field(default=None, ge=1)
    steps: int = Field(default=250_000, ge=1)

    @model_validator(mode="after")
    def _complete(self) -> "Iteration":
        if (self.encoder is not None) != (self.targets == "encoder"):
            raise ValueError("encoder goes with targets: encoder")
        if (self.layer is not None) != (self.targets == "layer"):
            raise ValueError("layer goes with targets: layer")
        return self


class HubertFitConfig(Section):
    """Settings of ``plait fit hubert``; the defaults are the paper's base model.

    Args:
        architecture: Keys of ``transformers``' ``HubertConfig`` that differ from the base model with layer norms in the
            convolutions. A group norm there would make a crop's frames depend on the crop.
        iterations: Trainings, each from new weights on targets of its own. The paper's two unless said: MFCCs with 100
            clusters for 250,000 steps, then layer 6 with 500 for 400,000.
        batch_s: Seconds of speech in a step, over all processes.
        crop_s: Longer recordings are cut, anew each time.
        speeds: Every recording is learnt at each, as one more recording: other voices for a corpus of few.
        mask_share: Share of frames at which a masked span starts.
        mask_frames: Frames of a masked span.
        masked_weight: Of the masked frames' loss; the rest is the heard frames' (alpha in the paper's section II-C). 1
            is best with poor targets; good ones, as from another encoder, are learnt sooner with less.
        micro_batches: Parts that a process's share of a step is computed in, one after another, for less memory. The
            result is that of as many more processes.
        learning_rate: At its peak.
        warmup_share: Share of the steps in which the learning rate rises; it falls in the rest.
        weight_decay: Of AdamW.
        gradient_norm: Longer gradients are scaled down to it.
        max_frames: Frames that clusters are fitted on, drawn by hash; 200,000 are held in memory, the others streamed.
        save_every: Steps between saved training states; a rerun goes on from the last.
        bf16: Multiply in bfloat16: for GPUs, and CPUs with AVX-512 bf16 or AMX.
        device: ``auto`` takes a GPU if there is one.
    """

    architecture: dict[str, Any] = Field(default_factory=dict)
    iterations: tuple[Iteration, ...] = Field(
        default=(Iteration(), Iteration(targets="layer", layer=6, clusters=500, steps=400_000)), min_length=1
    )
    batch_s: float = Field(default=2800.0, gt=0)
    crop_s: float = Field(default=15.6, gt=0)
    speeds: tuple[Annotated[float, Field(ge=0.5, le=2)], ...] = Field(default=(1.0,), min_length=1)
    mask_share: float = Field(default=0.08, gt=0, lt=1)
    mask_frames: int = Field(default=10, ge=1)
    masked_weight: float = Field(default=1.0, gt=0, le=1)
    micro_batches: int = Field(default=1, ge=1)
    learning_rate: float = Field(default=5e-4, gt=0)
    warmup_share: float = Field(default=0.08, ge=0, lt=1)
    weight_decay: float = Field(default=0.01, ge=0)
    gradient_norm: float = Field(default=10.0, gt=0)
    max_frames: int = Field(default=1_000_000, ge=2)
    save_every: int = Field(default=1000, ge=1)
    bf16: bool = False
    device: Device = "auto"

    @model_validator(mode="after")
    def _first(self) -> "HubertFitConfig":
        if self.iterations[0].targets == "layer":
            raise ValueError("the first iteration has no model yet: its targets are mfcc or encoder")
        if len(set(self.speeds)) < len(self.speeds):
            raise ValueError("speeds: each stands once")
        return self


def fit_hubert(
    recordings: IndexedRecordings,
    config: HubertFitConfig,
    *,
    seed: int,
    output: Path,
    say: Callable[[str], None],
    work: Path,
) -> dict[str, float]:
    """Write ``model/`` and the card into ``output``.

    Raises:
        UserError: Fewer than two recordings, the architecture is none, or audio that the model learnt from is another
            one by now.
    """
    _check(config, seed=seed)
    with Processes.of_the_environment(pick_device(config.device)) as processes:
        fit = _Fit(recordings, config, seed=seed, work=work, processes=processes, say=say)
        figures: dict[str, float] = {}
        model: Path | None = None
        for number, iteration in enumerate(config.iterations):
            model, figures = fit.iterate(number, iteration, model)
        if processes.is_first and model is not None:
            fit.check_audio()
            _publish(model, output, fit.data, config, seed=seed, figures=figures)
    return figures


class _Fit:
    def __init__(
        self,
        recordings: IndexedRecordings,
        config: HubertFitConfig,
        *,
        seed: int,
        work: Path,
        processes: "Processes",
        say: Callable[[str], None],
    ) -> None:
        self._recordings, self._corpus = AtSpeeds(recordings, config.speeds), len(recordings.rows)
        self._config, self._seed, self._work = config, seed, work
        self._processes = processes
        self._say = say
        self.data = FitData()
        self._learnt_from: set[tuple[int, str]] = set()  # places of recordings and digests of their audio
        self._depends: list[object] = [config.architecture, seed, config.max_frames, self._recordings.fingerprint]

    def iterate(self, number: int, iteration: Iteration, before: Path | None) -> tuple[Path, dict[str, float]]:
        """Targets, then training; the folder of the model and its figures."""
        config = self._config
        self._depends.append(iteration.model_dump(mode="json", exclude={"steps"}))
        backend = self._backend(iteration, before)
        if iteration.encoder is not None:
            self._depends.append(features_of(iteration.encoder).features_fingerprint)
        network = build_model(config.architecture, seed=self._seed + number)
        targets_path = self._work / f"targets-{number}-{digest_json([*self._depends, network.hop_samples])}.npz"
        if self._processes.is_first and not targets_path.exists():
            self._say(f"iteration {number}: targets from {iteration.targets}")
            make_targets(
                self._recordings,
                backend,
                hop_samples=network.hop_samples,
                clusters=iteration.clusters,
                components=iteration.components,
                max_frames=config.max_frames,
                seed=self._seed,
                device=config.device,
                path=targets_path,
                say=self._say,
            )
        self._processes.wait()
        found = TargetedRecordings.load(targets_path, self._recordings)
        if number == 0 and self._processes.is_first:
            found.count(self.data, corpus=self._corpus)
        own_places = found.places % self._corpus
        self._learnt_from.update(zip(own_places.tolist(), found.digests.tolist(), strict=True))
        training, kept_apart = found.split(every=_KEPT_APART_EVERY, corpus=self._corpus)
        settings = TrainingSettings(
            steps=iteration.steps,
            learning_rate=config.learning_rate,
            warmup_share=config.warmup_share,
            weight_decay=config.weight_decay,
            gradient_norm=config.gradient_norm,
            masked_weight=config.masked_weight,
            micro_batches=config.micro_batches,
            save_every=config.save_every,
            bf16=config.bf16,
            seed=self._seed + number,
        )
        crops = Crops(config.batch_s, config.crop_s, config.mask_share, config.mask_frames)
        batches = Batches(training, network.geometry, crops=crops, seed=settings.seed)
        judged = Batches(kept_apart, network.geometry, crops=crops, seed=0)
        self._depends += [settings.model_dump(mode="json"), asdict(crops)]
        name = f"training-{number}-{digest_json(self._depends)}"
        model = Pretraining(network, clusters=iteration.clusters, seed=settings.seed)
        figures = train(model, batches, judged, settings, self._processes, self._work / f"{name}.pt", self._say)
        folder = self._work / name
        if self._processes.is_first:
            network.save(folder)
        self._processes.wait()
        return folder, {f"iteration_{number}_{key}": value for key, value in figures.items()}

    def check_audio(self) -> None:
        """A training that ended is found again whatever became of its audio: all files are hashed, none decoded.

        Raises:
            UserError: A recording is gone, or has changed since it was learnt from.
        """
        self._say("hashing the audio that the model learnt from")
        for place, digest in sorted(self._learnt_from):
            row = self._recordings.rows[place]
            try:
                now, why = self._recordings.digest(place), "it is another file by now"
            except RecordError as error:
                now, why = "", error.detail
            if now != digest:
                raise UserError(
                    f"fit hubert: {row.utterance_id}: {row.audio} is not what the model learnt from ({why}); remove "
                    "the folder work/ in the output to fit on what is there"
                )

    def _backend(self, iteration: Iteration, before: Path | None) -> dict[str, Any] | None:
        if iteration.targets == "layer" and before is not None:
            return {"kind": "hubert", "model": str(before), "layer": iteration.layer, "device": self._config.device}
        return iteration.encoder


def _check(config: HubertFitConfig, *, seed: int) -> None:
    """All iterations before the first one, which may take days.

    Raises:
        UserError: The settings alone tell that one cannot run.
    """
    layers = build_model(config.architecture, seed=seed).model.config.num_hidden_layers
    for number, iteration in enumerate(config.iterations):
        if iteration.layer is not None and iteration.layer > layers:
            raise UserError(f"fit.iterations.{number}.layer: the model has {layers} layers, not {iteration.layer}")
        if iteration.encoder is not None:
            features_of(iteration.encoder)


def _publish(
    model: Path, output: Path, data: FitData, config: HubertFitConfig, *, seed: int, figures: dict[str, float]
) -> None:
    target = output / "model"
    with new_folder(target) as folder:
        for path in sorted(model.iterdir()):
            copy(str(path), str(folder / path.name))
        remove_card(output)
    layers = json.loads((target / "config.json").read_text(encoding="utf-8"))["num_hidden_layers"]
    fingerprint = HubertUnitsConfig(model=str(target), layer=layers, codebook="").features_fingerprint
    write_card(
        output,
        title=f"HuBERT, {layers} layers",
        data=data,
        settings=config.model_dump(mode="json", exclude={"device"}),
        seed=seed,
        figures=figures,
        fingerprint=fingerprint,
    )
