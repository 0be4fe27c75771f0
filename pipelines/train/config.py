"""What a training job's YAML may say."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from pipelines.yaml_config import OutputFolder, Section
from schemas.records import StreamKind
from schemas.vocabulary import MarkerStyle
from transforms.interleave_policies import InterleaveConfig

Beta = Annotated[float, Field(ge=0, lt=1)]


class TrainingSection(Section):
    """A part of a training job; its numbers are finite."""

    model_config = ConfigDict(allow_inf_nan=False)


class LlamaModelConfig(TrainingSection):
    """A Llama of this size, from random weights.

    Args:
        hidden_size: Of the residual stream; a multiple of twice ``heads``.
        layers: Transformer layers.
        heads: Attention heads; a multiple of ``kv_heads``.
        kv_heads: Heads of keys and values.
        intermediate_size: Of the feed-forward layers.
        rope_theta: Base of the rotary positions.
        tie_embeddings: One matrix for input and output.
    """

    kind: Literal["llama"] = "llama"
    hidden_size: PositiveInt = 256
    layers: PositiveInt = 4
    heads: PositiveInt = 4
    kv_heads: PositiveInt = 4
    intermediate_size: PositiveInt = 704
    rope_theta: PositiveFloat = 10_000.0
    tie_embeddings: bool = True

    @model_validator(mode="after")
    def _sizes_divide(self) -> "LlamaModelConfig":
        if self.hidden_size % (2 * self.heads) or self.heads % self.kv_heads:
            raise ValueError("hidden_size must be a multiple of 2 * heads, and heads a multiple of kv_heads")
        return self


class BaseModelConfig(TrainingSection):
    """A Hugging Face causal LM in a local folder, its vocabulary extended by the speech tokens.

    Every dropout of the model is set to 0, in training and in the export, so that a training can be repeated.

    Args:
        path: The model's folder; an export of ``plait train`` of the same vocabulary may be one, and then no row is
            new.
        new_rows: ``mean``: the mean of the text rows plus ``new_rows_noise`` times their standard deviation times
            noise; ``random`` (the paper's): drawn with the model's own ``initializer_range``.
        new_rows_noise: See ``new_rows``; not used by ``random``.
        rope_theta: Replaces the model's own where it is given (Spirit LM: 10k to 100k).
    """

    kind: Literal["base"]
    path: str
    new_rows: Literal["mean", "random"] = "mean"
    new_rows_noise: NonNegativeFloat = 0.1
    rope_theta: PositiveFloat | None = None


ModelConfig = Annotated[LlamaModelConfig | BaseModelConfig, Field(discriminator="kind")]


class MixtureConfig(TrainingSection):
    """Shares of the sources, by tokens; they need not sum to 1.

    Args:
        text: Of written documents: transcripts, or ``data.texts``.
        speech: Of utterances in speech tokens alone.
        interleaved: Of utterances that change between the two.
        pairs: Of whole utterances in both modalities, text first or speech first with even odds ("ASR+TTS pairs" of
            Spirit LM's ablation); without them nothing tells a model to say the same words again.
    """

    text: NonNegativeFloat = 1.0
    speech: NonNegativeFloat = 1.0
    interleaved: NonNegativeFloat = 1.0
    pairs: NonNegativeFloat = 0.0

    @model_validator(mode="after")
    def _something(self) -> "MixtureConfig":
        if not any(self.model_dump().values()):
            raise ValueError("at least one source needs a weight above 0")
        return self


class DataConfig(TrainingSection):
    """How documents become batches.

    Args:
        context: Tokens a row.
        sequences: Rows a step, in all micro-batches together.
        micro_batches: Gradient accumulation; divides ``sequences``. A resumed run may have another number.
        streams: Kinds of speech tokens (``[units]`` is BASE); null takes all that the token store has.
        marker_style: ``spiritlm`` writes ``[Text]`` and ``[Speech]``.
        eos: End every document with EOS, so that generation stops.
        mixture: Shares of text, speech and both.
        interleave: How modalities alternate where the interleaved source is not ``baked``.
        window_shards: Shards that are open together; rows are shuffled within such a window.
        lookahead: Rows' worth of documents from which a row is packed.
        baked: Folders of baked shards (``interleaved/epoch-0`` ...) that the interleaved source reads, an epoch a
            folder and round again; without, every epoch is drawn anew from the token store.
        texts: Files of written documents (a line each; ``.jsonl``: objects with ``text``), local or remote, that the
            text source reads; without, it reads the corpus's transcripts. A file is held in memory as tokens, so cut a
            large set into many.
        speech: Output folders of further runs with the same codebooks, such as of speech without words
            (``align: null``), whose recordings the speech source reads; without, it reads the corpus's own.
        workers: Processes that read shards ahead; the batches don't depend on it.
    """

    context: PositiveInt = 512
    sequences: PositiveInt = 8
    micro_batches: PositiveInt = 1
    streams: tuple[StreamKind, ...] | None = None
    marker_style: MarkerStyle = "plait"
    eos: bool = True
    mixture: MixtureConfig = MixtureConfig()
    interleave: InterleaveConfig = InterleaveConfig()
    window_shards: PositiveInt = 16
    lookahead: PositiveInt = 4
    baked: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    speech: tuple[str, ...] = ()
    workers: NonNegativeInt = 0

    @model_validator(mode="after")
    def _values_fit(self) -> "DataConfig":
        if self.sequences % self.micro_batches:
            raise ValueError("micro_batches must divide sequences")
        if self.context < 16:
            raise ValueError("context must be at least 16")
        if self.streams is not None and "units" not in self.streams:
            raise ValueError("streams must have units")
        return self


class OptimizerConfig(TrainingSection):
    """AdamW and its schedule.

    Args:
        learning_rate: At its peak.
        betas: Of AdamW.
        weight_decay: Of matrices, embeddings among them; norms and biases have none.
        warmup_steps: Steps in which the rate rises from 0.
        schedule: ``cosine`` falls over all steps after the warm-up, ``wsd`` linearly over the last ``decay_steps``. A
            ``wsd`` run may be resumed with more ``steps`` from before its fall.
        decay_steps: Of ``wsd``, which needs them.
        final_ratio: Where the fall ends, as a share of the peak.
        clip_norm: Longer gradients are scaled down to it.
    """

    learning_rate: PositiveFloat = 3e-4
    betas: tuple[Beta, Beta] = (0.9, 0.95)
    weight_decay: NonNegativeFloat = 0.1
    warmup_steps: NonNegativeInt = 0
    schedule: Literal["constant", "cosine", "wsd"] = "constant"
    decay_steps: NonNegativeInt = 0
    final_ratio: float = Field(default=0.0, ge=0, le=1)
    clip_norm: PositiveFloat = 1.0

    @model_validator(mode="after")
    def _wsd_decays(self) -> "OptimizerConfig":
        if (self.schedule == "wsd") != (self.decay_steps > 0):
            raise ValueError("decay_steps goes with schedule wsd, and wsd needs it")
        return self


class EvaluationConfig(TrainingSection):
    """Loss on held-out utterances, every so many steps.

    Args:
        every: Steps between two evaluations.
        ids: File with utterance ids, one a line; they must be among ``exclude_ids`` to be held out.
        batches: Batches of the training's size, drawn once.
    """

    every: PositiveInt = 500
    ids: str
    batches: PositiveInt = 8


class SamplesConfig(TrainingSection):
    """Greedy continuations of written prompts, in text and in speech, to ``samples.jsonl`` and TensorBoard.

    Args:
        every: Steps between two samples.
        prompts: Texts that are continued.
        tokens: New tokens of a continuation.
    """

    every: PositiveInt = 500
    prompts: tuple[str, ...]
    tokens: PositiveInt = 64


class TrainConfig(TrainingSection):
    """One training job.

    Args:
        output: Local folder of the model; its checkpoints are below ``checkpoints/``.
        corpus: Output folder of a ``plait run``: holds ``corpus/`` and ``tokenizer/``.
        seed: Of new weights, the order of the data and the draws of the interleaving.
        exclude_ids: File with utterance ids, one a line, that are kept out of training.
        model: What is trained.
        data: What it is trained on.
        optimizer: AdamW and its schedule.
        steps: Updates of the weights.
        checkpoint_every: Steps between checkpoints; one is always written at the end and at SIGTERM.
        keep_checkpoints: So many of the latest are kept, and the one of the lowest evaluation loss.
        keep_every: Those of steps that it divides are kept as well, to compare or to go back to; a multiple of
            ``checkpoint_every``. Each is a model that ``plait generate`` and ``evaluate`` open.
        device: ``auto`` takes a CUDA device where there is one.
        dtype: Of the matrix products; weights and optimizer stay float32. ``auto``: bfloat16 on CUDA.
        compile: Compile the model with torch; worth it on a GPU.
        activation_checkpointing: Layers are computed again for the backward pass, which saves memory and costs time.
        evaluation: Loss on held-out utterances; null for none.
        samples: Continuations to read while it trains; null for none.
        tensorboard: Write events for TensorBoard.
        threads: CPU threads of torch; null leaves its default. Bit-equal repetition needs the same number.
    """

    output: OutputFolder
    corpus: str
    seed: int = 0
    exclude_ids: str | None = None
    model: ModelConfig = LlamaModelConfig()
    data: DataConfig = DataConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    steps: PositiveInt = 1000
    checkpoint_every: PositiveInt = 500
    keep_checkpoints: PositiveInt = 2
    keep_every: PositiveInt | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: bool = False
    activation_checkpointing: bool = False
    evaluation: EvaluationConfig | None = None
    samples: SamplesConfig | None = None
    tensorboard: bool = False
    threads: PositiveInt | None = None

    @model_validator(mode="after")
    def _kept_are_saved(self) -> "TrainConfig":
        if self.keep_every is not None and self.keep_every % self.checkpoint_every:
            raise ValueError("keep_every must be a multiple of checkpoint_every")
        return self
