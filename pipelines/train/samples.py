"""Greedy continuations during training: a glance at what the model says, not an evaluation."""

from typing import Any, Protocol

import torch

from pipelines.train.config import SamplesConfig
from pipelines.train.corpus import TrainingCorpus
from pipelines.train.distributed import World
from pipelines.train.journal import Journal
from schemas.vocabulary import PREFIX, VocabularyLayout
from transforms.text.protocol import TextTokenizer


class Speaker(Protocol):
    """What samples need of a trainer."""

    model: Any
    corpus: TrainingCorpus
    device: torch.device
    world: World
    progress: Any


@torch.no_grad()
def write_samples(trainer: Speaker, config: SamplesConfig, journal: Journal) -> None:
    """Continue every prompt as text and as speech; every rank takes part, the first one writes."""
    layout, text = trainer.corpus.layout, trainer.corpus.tokenizer
    trainer.model.eval()
    for prompt in config.prompts:
        for marker in (None, layout.speech_marker):
            ids = [text.bos_id, layout.text_marker, *text.encode(prompt), *([marker] if marker is not None else [])]
            start = len(ids)
            while len(ids) < start + config.tokens and (len(ids) == start or ids[-1] != text.eos_id):
                logits = trainer.model(input_ids=torch.tensor([ids], device=trainer.device), use_cache=False).logits
                ids.append(int(logits[0, -1, : layout.used_size].argmax()))
            journal.write_sample(
                trainer.progress.step,
                prompt=spell(ids[1:start], layout=layout, text=text),
                continuation=spell(ids[start:], layout=layout, text=text),
            )
    trainer.model.train()


def spell(ids: list[int], *, layout: VocabularyLayout, text: TextTokenizer) -> str:
    """Tokens as they are written in Spirit LM's papers: ``[TEXT]the cat[SPEECH][Hu3][Hu7]``."""
    names = dict(zip((layout.text_marker, layout.speech_marker), layout.markers(), strict=True))
    spelled, words = "", list[int]()
    for token in [*ids, -1]:
        if 0 <= token < layout.text_size:
            words.append(token)
            continue
        spelled += text.decode(words)
        words = []
        if token in names:
            spelled += names[token]
        elif (code := layout.decode_id(token)) is not None:
            spelled += f"[{PREFIX[code[0]]}{code[1]}]"
    return spelled
