"""The language model: a Llama from a config, or a Hugging Face causal LM with its vocabulary extended."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from pipelines.train.config import BaseModelConfig, LlamaModelConfig
from pipelines.train.export import PLAIT_FILE, read_about
from schemas.errors import UserError, on_one_line
from schemas.vocabulary import VocabularyLayout


@dataclass(frozen=True, slots=True)
class InitRecord:
    """How a model began: new embedding rows ``[first_new_row, rows)``, and by what rule."""

    rows: int
    first_new_row: int
    rule: str
    parameters: int


def build_model(
    config: LlamaModelConfig | BaseModelConfig,
    *,
    layout: VocabularyLayout,
    context: int,
    bos: int,
    eos: int,
    seed: int,
) -> tuple[Any, InitRecord]:
    """A ``transformers`` causal LM with float32 weights whose rows are the layout's ids.

    Raises:
        UserError: ``path`` is no such model, it has fewer rows than its tokenizer has tokens or fewer learned positions
            than ``context``, or it is an export of another vocabulary.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if isinstance(config, LlamaModelConfig):
            model, first_new, rule = _new_llama(config, layout=layout, context=context, bos=bos, eos=eos), 0, "normal"
        else:
            model, first_new = _extended(config, layout=layout, context=context)
            rule = f"mean of rows below {first_new} + {config.new_rows_noise} x their standard deviation x normal"
            if config.new_rows == "random":
                rule = f"normal x {model.config.initializer_range}"
            if first_new == layout.padded_size:
                rule = "none: the base has the vocabulary already"
    rows = int(model.get_input_embeddings().weight.shape[0])
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return model, InitRecord(rows, first_new, rule, parameters)


def _new_llama(config: LlamaModelConfig, *, layout: VocabularyLayout, context: int, bos: int, eos: int) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=layout.padded_size,
            hidden_size=config.hidden_size,
            intermediate_size=config.intermediate_size,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.kv_heads,
            max_position_embeddings=context,
            rope_theta=config.rope_theta,
            tie_word_embeddings=config.tie_embeddings,
            bos_token_id=bos,
            eos_token_id=eos,
            attn_implementation="sdpa",
        )
    )


@torch.no_grad()
def _extended(config: BaseModelConfig, *, layout: VocabularyLayout, context: int) -> tuple[Any, int]:
    """The model, and its first new row."""
    if not (Path(config.path) / "config.json").is_file():
        raise UserError(f"model.path: no Hugging Face model in {config.path} (config.json is missing)")
    known_rows = _rows_known(Path(config.path), layout)

    def change(settings: Any) -> None:
        if config.rope_theta is not None:
            settings.rope_theta = config.rope_theta
        _leave_out_dropout(settings)

    model = open_pretrained(Path(config.path), dtype=torch.float32, change=change)
    _admit_context(model, context)
    old_rows = model.get_input_embeddings().weight.shape[0]
    if old_rows < known_rows:
        raise UserError(f"model.path: {old_rows} embedding rows for {known_rows} tokens; wrong tokenizer?")
    model.resize_token_embeddings(max(old_rows, layout.padded_size), mean_resizing=False)
    if known_rows == layout.padded_size:
        return model, known_rows
    inputs, outputs = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    for weight in [inputs] if outputs is inputs else [inputs, outputs]:
        if config.new_rows == "mean":
            _fill_new_rows(weight, first_new=known_rows, noise=config.new_rows_noise)
        else:
            torch.nn.init.normal_(weight[known_rows:], std=model.config.initializer_range)
    return model, known_rows


def open_pretrained(folder: Path, *, dtype: torch.dtype, change: Callable[[Any], None] | None = None) -> Any:
    """A causal LM of a local folder, on the CPU; ``change`` may alter its config before the weights are read.

    Raises:
        UserError: Its config or weights are missing or damaged.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        settings = AutoConfig.from_pretrained(folder, local_files_only=True)
        if change is not None:
            change(settings)
        return AutoModelForCausalLM.from_pretrained(
            folder, config=settings, local_files_only=True, attn_implementation="sdpa", dtype=dtype
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{folder}: cannot be opened as a model ({on_one_line(error)}); copy it anew") from error


def _rows_known(path: Path, layout: VocabularyLayout) -> int:
    """Rows that mean something already: those of the text, or all of an export of ``plait train``."""
    if not (path / PLAIT_FILE).is_file():
        return layout.text_size
    theirs = VocabularyLayout.from_json(read_about(path)["layout"])
    if theirs != layout:
        raise UserError(
            f"model.path: {path} was trained with vocabulary {theirs.fingerprint}, this training has "
            f"{layout.fingerprint}; give it a corpus of the same codebooks, data.streams and data.marker_style"
        )
    return layout.padded_size


def _leave_out_dropout(config: Any) -> None:
    """All rates to 0: masks come from torch's global generator, and a training that draws cannot be repeated."""
    for name, value in config.to_dict().items():
        if "drop" in name and isinstance(value, float):
            setattr(config, name, 0.0)


def _admit_context(model: Any, context: int) -> None:
    """Rotary models take any context, which their config should say; learned positions end."""
    positions = getattr(model.config, "max_position_embeddings", None)
    if positions is None or context <= positions:
        return
    learned = [
        name
        for name, part in model.named_modules()
        if isinstance(part, nn.Embedding) and re.search("wpe|position", name)
    ]
    if learned:
        raise UserError(
            f"data.context: {context} is more than the {positions} positions that the model in model.path has learned; "
            f"set data.context to {positions} or less"
        )
    model.config.max_position_embeddings = context


@torch.no_grad()
def _fill_new_rows(weight_VD: Tensor, *, first_new: int, noise: float) -> None:
    old_TD = weight_VD[:first_new]
    new_ND = weight_VD[first_new:]
    new_ND.copy_(old_TD.mean(0) + noise * old_TD.std(0) * torch.randn_like(new_ND))
