"""Where a stream switches modality: policies as pure functions of (number of words, rng).

A word here is a written one; "21", spoken as two, is one. Sources: Spirit LM (Nguyen et al., TACL 2025, section 3.1)
for ``spirit``; Zeng et al. (arXiv 2411.17607) and SIMS for ``poisson``; SpeLangy for ``alternate``; USDM for
``correspond``.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from schemas.records import Modality

Policy = Literal["spirit", "poisson", "alternate", "correspond"]


class WordRun(NamedTuple):
    """Words ``[start, end)`` in one modality; ``again``: the words of the run before, which said them the other way."""

    modality: Modality
    start: int
    end: int
    again: bool = False


class InterleaveConfig(BaseModel):
    """How modalities alternate (defaults: Spirit LM, section 3.1).

    Args:
        policy: ``spirit``: runs of random length in turn. ``poisson``: spoken spans of Poisson length amid text.
            ``alternate``: runs of one length in turn, nothing drawn but the first modality. ``correspond``: as
            ``spirit``, and some runs are said again in the other modality.
        text_words, speech_words: Inclusive bounds of a run's words, drawn uniformly (``spirit``, ``correspond``).
        p_text_first: Chance that a sequence begins with text (all but ``poisson``).
        speech_share: Share of the words that is spoken, exact in the mean (``poisson``).
        span_words: Mean of the spoken spans' words (``poisson``).
        chunk_words: Words of every run; 12 words last about 5 s (``alternate``).
        p_again: Chance that a run is said again in the other modality (``correspond``).
        reemit_context: State pitch and style in force again at the start of a speech span.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    policy: Policy = "spirit"
    text_words: tuple[int, int] = (10, 30)
    speech_words: tuple[int, int] = (5, 15)
    p_text_first: float = Field(default=0.5, ge=0, le=1)
    speech_share: float = Field(default=0.3, gt=0, lt=1)
    span_words: PositiveFloat = 10.0
    chunk_words: PositiveInt = 12
    p_again: float = Field(default=0.5, ge=0, le=1)
    reemit_context: bool = False

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> "InterleaveConfig":
        for name in ("text_words", "speech_words"):
            low, high = getattr(self, name)
            if not 1 <= low <= high:
                raise ValueError(f"{name} must be [low, high] with 1 <= low <= high")
        return self

    def has_option(self, name: str) -> bool:
        """Whether the policy goes by a key that some policies alone have."""
        return self.policy in _POLICIES_OF_OPTION[name]

    @model_validator(mode="after")
    def _options_are_of_the_policy(self) -> "InterleaveConfig":
        for name, policies in _POLICIES_OF_OPTION.items():
            default = InterleaveConfig.model_fields[name].default
            if not self.has_option(name) and getattr(self, name) != default:
                raise ValueError(
                    f"{name} does nothing under policy {self.policy}; it belongs to {' and '.join(policies)}"
                )
        return self


_POLICIES_OF_OPTION: dict[str, tuple[Policy, ...]] = {
    "text_words": ("spirit", "correspond"),
    "speech_words": ("spirit", "correspond"),
    "p_text_first": ("spirit", "alternate", "correspond"),
    "speech_share": ("poisson",),
    "span_words": ("poisson",),
    "chunk_words": ("alternate",),
    "p_again": ("correspond",),
}


def draw_runs(num_words: int, rng: np.random.Generator, config: InterleaveConfig) -> list[WordRun]:
    """Runs of the config's policy: in order, they cover all words."""
    return _DRAW[config.policy](num_words, rng, config)


def spirit_runs(num_words: int, rng: np.random.Generator, config: InterleaveConfig) -> list[WordRun]:
    """Strictly alternating runs that cover all words; the last one is cut at the end."""
    modality: Modality = "text" if rng.random() < config.p_text_first else "speech"
    runs: list[WordRun] = []
    start = 0
    while start < num_words:
        low, high = config.text_words if modality == "text" else config.speech_words
        end = min(num_words, start + int(rng.integers(low, high, endpoint=True)))
        runs.append(WordRun(modality, start, end))
        start, modality = end, _other(modality)
    return runs


def poisson_runs(num_words: int, rng: np.random.Generator, config: InterleaveConfig) -> list[WordRun]:
    """Spoken spans until ``speech_share`` of the words is spoken, at random places of the text.

    The number of spoken words is the share rounded up or down at random, so that its mean is exact for short texts
    too; the last span is cut to it. Every placement of the spans is equally likely; two that touch are one run.
    """
    spoken = int(config.speech_share * num_words + rng.random())
    lengths: list[int] = []
    while (left := spoken - sum(lengths)) > 0:
        lengths.append(min(left, max(1, int(rng.poisson(config.span_words)))))
    silent = num_words - spoken
    # k spans among the written words: choose which of the (written words + k) places are spans
    places = np.sort(rng.choice(silent + len(lengths), size=len(lengths), replace=False)).tolist()
    order = rng.permutation(len(lengths)).tolist()  # else the cut one would always be the last
    modality_of: list[Modality] = ["text"] * num_words
    shift = 0
    for place, index in zip(places, order, strict=True):
        start = place + shift
        modality_of[start : start + lengths[index]] = ["speech"] * lengths[index]
        shift += lengths[index] - 1
    return _runs_of(modality_of)


def alternate_runs(num_words: int, rng: np.random.Generator, config: InterleaveConfig) -> list[WordRun]:
    """Strictly alternating runs of ``chunk_words``; only which modality begins is drawn."""
    modality: Modality = "text" if rng.random() < config.p_text_first else "speech"
    runs: list[WordRun] = []
    for start in range(0, num_words, config.chunk_words):
        runs.append(WordRun(modality, start, min(num_words, start + config.chunk_words)))
        modality = _other(modality)
    return runs


def correspond_runs(num_words: int, rng: np.random.Generator, config: InterleaveConfig) -> list[WordRun]:
    """``spirit`` runs of which some are followed by themselves in the other modality; none is said three times.

    Modalities alternate all the same: after a repetition the stream goes on in the first run's modality.
    """
    modality: Modality = "text" if rng.random() < config.p_text_first else "speech"
    runs: list[WordRun] = []
    start = 0
    while start < num_words:
        low, high = config.text_words if modality == "text" else config.speech_words
        end = min(num_words, start + int(rng.integers(low, high, endpoint=True)))
        runs.append(WordRun(modality, start, end))
        if rng.random() < config.p_again:
            runs.append(WordRun(_other(modality), start, end, again=True))
        else:
            modality = _other(modality)
        start = end
    return runs


def _other(modality: Modality) -> Modality:
    return "speech" if modality == "text" else "text"


def _runs_of(modality_of: list[Modality]) -> list[WordRun]:
    runs: list[WordRun] = []
    for word, modality in enumerate(modality_of):
        if runs and runs[-1].modality == modality:
            runs[-1] = runs[-1]._replace(end=word + 1)
        else:
            runs.append(WordRun(modality, word, word + 1))
    return runs


_DRAW: dict[Policy, Callable[[int, np.random.Generator, InterleaveConfig], list[WordRun]]] = {
    "spirit": spirit_runs,
    "poisson": poisson_runs,
    "alternate": alternate_runs,
    "correspond": correspond_runs,
}
