"""The trained model as a folder that ``transformers`` opens by itself, and that Plait's inference knows.

``plait.json`` holds what the weights don't say: vocabulary layout, frame hops, context, training record. The text
tokenizer lies in ``text_tokenizer/`` as it was; ``tokenizer.json`` beside the weights also knows the speech tokens,
under the ids of the layout.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.files import write_text
from pipelines.train.corpus import TrainingCorpus
from schemas.errors import UserError, on_one_line
from schemas.manifest import dump_json
from schemas.vocabulary import VocabularyLayout
from transforms.text.protocol import TextTokenizer
from transforms.text.tokenizer import HfTokenizer, SentencePieceTokenizer, copy_text_tokenizer

FORMAT = "plait/model/1"
PLAIT_FILE = "plait.json"
TEXT_TOKENIZER = "text_tokenizer"
_NEEDED = ("layout", "hops", "context", "text_tokenizer")
SPACE = "\u2581"
_INPUTS = ["input_ids", "attention_mask"]  # without the token_type_ids that causal models refuse


@dataclass(frozen=True, slots=True)
class About:
    """What an export tells beside the weights.

    Args:
        tokenizer: From ``extended_tokenizer``.
        training: The record of the training, as JSON values.
    """

    corpus: TrainingCorpus
    tokenizer: Any
    context: int
    training: dict[str, Any]


def export_model(folder: Path, *, model: Any, weights: dict[str, Any], about: About) -> None:
    """Write weights, which are the model's, unsharded, and what ``describe_model`` writes."""
    model.generation_config = generation_config(about.corpus.tokenizer)
    model.save_pretrained(folder, state_dict=weights)
    describe_model(folder, model=model, about=about)


def describe_model(folder: Path, *, model: Any, about: About) -> None:
    """Write configs, tokenizers and, last, ``plait.json``: all that makes a folder of weights a model."""
    corpus = about.corpus
    model.config.save_pretrained(folder)
    generation_config(corpus.tokenizer).save_pretrained(folder)
    copy_text_tokenizer(corpus.tokenizer_path, folder / TEXT_TOKENIZER)
    about.tokenizer.model_max_length = about.context
    about.tokenizer.save_pretrained(folder)
    described = {
        "format": FORMAT,
        "layout": corpus.layout.to_json(),
        "hops": corpus.hops,
        "context": about.context,
        "text_tokenizer": TEXT_TOKENIZER,
        "training": about.training,
    }
    write_text(str(folder / PLAIT_FILE), dump_json(described))


def generation_config(text: TextTokenizer) -> Any:
    """Greedy, and of the text tokenizer's ends; a base's own is left behind."""
    from transformers import GenerationConfig

    return GenerationConfig(bos_token_id=text.bos_id, eos_token_id=text.eos_id, pad_token_id=text.eos_id)


def extended_tokenizer(text: TextTokenizer, layout: VocabularyLayout) -> Any:
    """A fast Hugging Face tokenizer of text, markers and speech tokens.

    Spaces around markers and speech tokens mean nothing; text between them is encoded as in training.

    Raises:
        UserError: An added token did not get the layout's id.
    """
    from tokenizers import AddedToken
    from transformers import AutoTokenizer

    if isinstance(text, SentencePieceTokenizer):
        tokenizer = fast_from_sentencepiece(text)
    elif isinstance(text, HfTokenizer):
        tokenizer = AutoTokenizer.from_pretrained(text.path, local_files_only=True, model_input_names=_INPUTS)
    else:
        raise TypeError(f"no fast tokenizer for {type(text).__name__}")
    names = layout.added_tokens()
    tokenizer.add_tokens([AddedToken(name, normalized=False, lstrip=True, rstrip=True) for name in names])
    expected = list(range(layout.text_size, layout.used_size))
    for name, given, wanted in zip(names, tokenizer.convert_tokens_to_ids(names), expected, strict=True):
        if given != wanted:
            raise UserError(
                f"the text tokenizer gives {name} the id {given} instead of {wanted}: it knows such tokens already, or "
                "its ids have gaps; use the tokenizer of a text model"
            )
    return tokenizer


def fast_from_sentencepiece(text: SentencePieceTokenizer) -> Any:
    """The same BPE as merges: a merge's rank is its piece's rank, as SentencePiece's scores order them."""
    from tokenizers import Tokenizer, decoders, models, normalizers, processors
    from transformers import PreTrainedTokenizerFast

    processor = text.processor
    pieces = [processor.id_to_piece(index) for index in range(text.vocab_size)]
    vocab = {piece: index for index, piece in enumerate(pieces)}
    merges: list[tuple[float, int, int, tuple[str, str]]] = []
    for index, piece in enumerate(pieces):
        if processor.is_control(index) or processor.is_byte(index) or processor.is_unknown(index):
            continue
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in vocab and right in vocab:
                merges.append((-processor.get_score(index), vocab[left], vocab[right], (left, right)))
    unknown = pieces[processor.unk_id()]
    bos, eos = pieces[text.bos_id], pieces[text.eos_id]
    model = models.BPE(
        vocab, [pair for *_, pair in sorted(merges)], unk_token=unknown, fuse_unk=True, byte_fallback=True
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, text.bos_id)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token=unknown, bos_token=bos, eos_token=eos, model_input_names=_INPUTS
    )


def text_tokenizer_of(base: Path) -> Path:
    """Where a base model's text tokenizer lies: an export of ``plait train`` keeps it beside the extended one."""
    return base / read_about(base)["text_tokenizer"] if (base / PLAIT_FILE).is_file() else base


def read_about(folder: Path) -> dict[str, Any]:
    """The content of ``plait.json``, with all the keys that it must have.

    Raises:
        UserError: Not an exported model, or a damaged one.
    """
    path = folder / PLAIT_FILE
    if not path.is_file():
        raise UserError(f"no {PLAIT_FILE} in {folder}; name the output folder of a finished `plait train`")
    try:
        about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found = about["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: damaged ({on_one_line(error)}); copy the model anew") from error
    if found != FORMAT:
        raise UserError(f"{path}: format {found} is not {FORMAT}; it is of another version of plait")
    if missing := [key for key in _NEEDED if key not in about]:
        raise UserError(f"{path}: damaged (no {missing[0]}); copy the model anew")
    return about
