"""How alike a model's layers hold the same words in speech and in text (Nguyen et al., TACL 2025, section 5.3).

For every word, layer by layer, the largest cosine between any hidden state of its text and any of its speech, averaged
over words; beside it the same for a text word and another word's speech from another recording, drawn by seed. Cosines
of a language model are high between any two states, so the difference of the two is what tells alignment, and the share
of words that are nearer to their own speech than to the other's (ties 0.5).

Layout: ``queries.tsv`` (id, audio, text) with ``words.ctm``, as ``plait export --ctm`` writes it for any corpus.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import Field

from pipelines.evaluate.corpora import read_corpus
from pipelines.evaluate.hidden import ModelWords, SpokenText, States, WordReader, WordStates
from pipelines.evaluate.layer_plot import layer_plot
from pipelines.evaluate.pairs import credit
from pipelines.evaluate.statistics import mean_figure
from pipelines.evaluate.suite import Figure, Outcome, Request, Row, Say, Settings, Suite
from pipelines.infer.parts import Speech
from schemas.errors import RecordError, UserError
from transforms.align.given import GivenConfig
from transforms.audio_reader import AudioReader
from transforms.seeds import rng_for

CTM = "words.ctm"


class SimilaritySettings(Settings):
    """How alike the layers hold the same words in speech and in text.

    Args:
        words: File or folder with word times (CTM, TextGrid, JSON); ``words.ctm`` beside the table if unset.
        min_letters: Words of fewer letters are left out.
    """

    words: str | None = None
    min_letters: int = Field(default=3, ge=1)


@dataclass(frozen=True, slots=True, eq=False)
class _Word:
    recording: str
    states: WordStates


def read_spoken_texts(data: Path, settings: SimilaritySettings, *, limit: int | None) -> list[SpokenText]:
    """Recordings with their word times, sorted by id.

    Raises:
        UserError: A table, a recording or a word time is missing or wrong.
    """
    table = data / "queries.tsv" if (data / "queries.tsv").is_file() else data
    place = Path(settings.words) if settings.words else (data if data.is_dir() else data.parent) / CTM
    if not place.exists():
        raise UserError(f"{place}: no word times; `plait export --ctm` writes them, name them with --set words=FILE")
    aligner, reader = GivenConfig(path=str(place)).load(), AudioReader()
    found = []
    for row in read_corpus(table)[:limit]:
        try:
            waveform, _ = reader.decode(row)
            words = aligner.align_row(row, waveform).words
        except RecordError as error:
            raise UserError(f"{row.audio} ({row.utterance_id}): {error.detail}") from error
        found.append(SpokenText(row.utterance_id, row.text, Speech(audio=row.audio), len(waveform), words))
    return found


def highest_cosine(text: States, speech: States) -> npt.NDArray[np.float64]:
    """Largest cosine of a text state and a speech state in each layer, shape ``(L,)``; neither may be empty."""
    first = text / np.maximum(np.linalg.norm(text, axis=-1, keepdims=True), 1e-12)
    second = speech / np.maximum(np.linalg.norm(speech, axis=-1, keepdims=True), 1e-12)
    return np.asarray(np.einsum("lad,lbd->lab", first, second).max((1, 2)), dtype=np.float64)


def evaluate_similarity(
    reader: WordReader, items: Sequence[SpokenText], *, min_letters: int, seed: int, say: Say
) -> Outcome:
    """Figures by layer, and the plot.

    Raises:
        UserError: Fewer than two recordings have words that can be compared.
    """
    words: list[_Word] = []
    for number, item in enumerate(items, 1):
        words += [_Word(item.key, word) for word in reader.words(item) if _is_usable(word, min_letters)]
        say(f"{number} of {len(items)} recordings")
    if len({word.recording for word in words}) < 2:
        raise UserError("similarity: words of one recording are compared with another's; give two recordings at least")
    same, other, rows = [], [], list[Row]()
    for index, word in enumerate(words):
        foil = _foil(words, index, seed=seed)
        same.append(highest_cosine(word.states.text, word.states.speech))
        other.append(highest_cosine(word.states.text, foil.states.speech))
        rows.append({"key": word.recording, "word": word.states.word, "other": foil.states.word})
        rows[-1] |= {"same_by_layer": same[-1].tolist(), "other_by_layer": other[-1].tolist()}
    figures = _figures(np.array(same), np.array(other), seed=seed)
    lines = {"the same word": np.mean(same, 0).tolist(), "another word": np.mean(other, 0).tolist()}
    return Outcome(figures, rows, files={".svg": layer_plot(lines, title="text and speech by layer")})


def _is_usable(word: WordStates, min_letters: int) -> bool:
    letters = sum(character.isalpha() for character in word.word)
    return letters >= min_letters and word.text.shape[1] > 0 and word.speech.shape[1] > 0


def _foil(words: Sequence[_Word], index: int, *, seed: int) -> _Word:
    """A differently spelled word of another recording."""
    own = words[index]
    rng = rng_for(f"{own.recording}/{index}", stage="similarity", run_seed=seed)
    for candidate in rng.permutation(len(words)):
        other = words[int(candidate)]
        if other.recording != own.recording and other.states.word.lower() != own.states.word.lower():
            return other
    raise UserError(f"similarity: no recording but {own.recording} has another word than {own.states.word!r}")


def _figures(same_WL: npt.NDArray[np.float64], other_WL: npt.NDArray[np.float64], *, seed: int) -> list[Figure]:
    figures = []
    for layer in range(same_WL.shape[1]):
        same, other = same_WL[:, layer], other_WL[:, layer]
        nearer = [credit(float(a), float(b)) for a, b in zip(same, other, strict=True)]
        for measure, values, chance in (
            ("similarity, same word", same.tolist(), None),
            ("similarity, another word", other.tolist(), None),
            ("difference", (same - other).tolist(), 0.0),
            ("nearer to its own speech", nearer, 0.5),
        ):
            by_key = {str(index): [value] for index, value in enumerate(values)}
            figures.append(mean_figure(f"layer {layer}", measure, by_key, seed=seed, chance=chance))
    return figures


def _run(open_model: Callable[[], object], request: Request) -> Outcome:
    settings: SimilaritySettings = request.settings
    items = read_spoken_texts(request.data, settings, limit=request.limit)
    reader = ModelWords(open_model())  # type: ignore[arg-type]
    return evaluate_similarity(reader, items, min_letters=settings.min_letters, seed=request.seed, say=request.say)


SIMILARITY = Suite(
    title="layer-wise likeness of the same words in speech and in text, with a plot",
    data="prompts",
    public=("LibriSpeech",),
    layout="queries.tsv (id, audio, text), or a corpus, and words.ctm with the times of its words",
    run=_run,
    settings=SimilaritySettings,
)
