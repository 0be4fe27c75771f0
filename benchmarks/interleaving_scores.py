"""What ``benchmarks.interleaving`` asks of its models, and the tables it makes of the answers.

Of each held-out passage, parted at the word in its middle, and of another chapter's in the same voice: does its
beginning make its own end likelier than the other's (``accuracy``, as StoryCloze), and how much likelier is its end
after its own beginning than after the other's (``gain``)? The second compares one end with itself, so that what an end
is worth without a beginning plays no part. And layer by layer: is a word's text nearer to its own speech?
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipelines.evaluate.hidden import ModelWords, SpokenText
from pipelines.evaluate.pairs import credit
from pipelines.evaluate.statistics import bootstrap_interval
from pipelines.evaluate.suite import Row, Scorer
from pipelines.evaluate.suites.similarity import evaluate_similarity
from pipelines.evaluate.suites.storycloze import DIRECTIONS, evaluate_stories
from pipelines.evaluate.suites.storycloze_data import Story
from pipelines.infer.model import SpeechTextModel
from pipelines.infer.parts import Speech, Text
from pipelines.store import ShardSet
from schemas.records import Span, StoredUtterance, Stream
from transforms.seeds import rng_for
from transforms.streams import frames_in_span, word_spans

MEASURE = "accuracy, continuation, per token"
SIMILARITY_PASSAGES = 120

Floats = npt.NDArray[np.float64]
Interval = dict[str, object]
Halves = tuple[tuple[Text, Speech], tuple[Text, Speech]]


def held_out(folder: Path) -> list[StoredUtterance]:
    ids = set((folder / "heldout.txt").read_text().split())
    found = [u for u in ShardSet(str(folder / "corpus" / "corpus")).utterances() if u.utterance_id in ids]
    return sorted(found, key=lambda utterance: utterance.utterance_id)


def halves(utterance: StoredUtterance) -> Halves:
    """Beginning and end of a passage, parted at the word in its middle, each written and spoken."""
    words = utterance.words
    middle = len(words) // 2
    spans = word_spans(words, num_samples=utterance.num_samples)
    parts = []
    for first, last in ((0, middle), (middle, len(words))):
        text = utterance.text[words[first].char_start : words[last - 1].char_end]
        span = Span(spans[first].start, spans[last - 1].end)
        streams = tuple(_cut(stream, span) for stream in utterance.streams)
        parts.append((Text(text), Speech(streams=streams)))
    return parts[0], parts[1]


def _cut(stream: Stream, span: Span) -> Stream:
    frames = frames_in_span(span, hop_samples=stream.hop_samples)
    ids = stream.ids[frames.start : frames.stop]
    return Stream(stream.kind, stream.hop_samples, stream.codebook_size, ids, stream.fingerprint)


def foils(utterances: Sequence[StoredUtterance]) -> list[int]:
    """For every passage another one, of another chapter and in the same voice."""
    chapters = [utterance.utterance_id.rpartition("-")[0] for utterance in utterances]
    found = []
    for index, utterance in enumerate(utterances):
        rng = rng_for(utterance.utterance_id, stage="stories", run_seed=0)
        others = [
            other
            for other, candidate in enumerate(utterances)
            if chapters[other] != chapters[index] and candidate.speaker == utterance.speaker
        ]
        found.append(int(rng.choice(others)))
    return found


def stories(utterances: Sequence[StoredUtterance]) -> list[Story]:
    """Every passage with its own end and its foil's."""
    parts = [halves(utterance) for utterance in utterances]
    return [
        Story(
            utterance.utterance_id,
            prompt_text=prompt[0],
            prompt_audio=prompt[1],
            ending_text=(end[0], parts[foil][1][0]),
            ending_audio=(end[1], parts[foil][1][1]),
        )
        for utterance, (prompt, end), foil in zip(utterances, parts, foils(utterances), strict=True)
    ]


def gains(model: Scorer, utterances: Sequence[StoredUtterance], direction: str) -> list[float]:
    """Nats a token by which each end is likelier after its own beginning than after its foil's."""
    prompt, end = (0 if side == "T" else 1 for side in direction.split("->"))
    parts = [halves(utterance) for utterance in utterances]
    pairs = []
    for index, foil in enumerate(foils(utterances)):
        candidate = (parts[index][1][end],)
        pairs += [((parts[begun][0][prompt],), candidate) for begun in (index, foil)]
    scores = [score.log_likelihood / score.tokens for score in model.score_pairs(pairs)]
    return [own - other for own, other in zip(scores[::2], scores[1::2], strict=True)]


def spoken_texts(utterances: Sequence[StoredUtterance]) -> Iterator[SpokenText]:
    for u in utterances:
        yield SpokenText(u.utterance_id, u.text, Speech(streams=u.streams), u.num_samples, u.words)


def evaluate(folder: Path, models: Mapping[str, Sequence[Path]]) -> dict[str, dict[str, object]]:
    """Of each kind of model by direction: accuracy and gain; by layer: likeness; and the first kind less the second."""
    utterances = held_out(folder)
    cloze = stories(utterances)
    step = max(1, len(utterances) // SIMILARITY_PASSAGES)
    words = list(spoken_texts(utterances[::step]))[:SIMILARITY_PASSAGES]
    found: dict[str, dict[str, dict[str, list[Floats]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for name, folders in models.items():
        for model_folder in folders:
            model = SpeechTextModel.load(model_folder)
            rows = evaluate_stories(model, cloze, seed=0, say=lambda _: None).rows
            for direction in DIRECTIONS:
                found["accuracy"][direction][name].append(_credits(rows, direction))
                found["gain"][direction][name].append(np.array(gains(model, utterances, direction)))
            similar = evaluate_similarity(ModelWords(model), words, min_letters=3, seed=0, say=lambda _: None)
            for measure, by_layer in _likeness(similar.rows).items():
                for layer, values in enumerate(by_layer):
                    found[measure][f"layer {layer}"][name].append(values)
            means = {d: round(float(found["gain"][d][name][-1].mean()), 4) for d in DIRECTIONS}
            print(model_folder.name, means, flush=True)
    first, second, *_ = models
    figures: dict[str, dict[str, object]] = {}
    for measure, tasks in found.items():
        figures[measure] = {}
        for task, by_name in tasks.items():
            intervals = {name: interval(np.array(values)) for name, values in by_name.items()}
            difference = interval(np.array(by_name[first]) - np.array(by_name[second]))
            figures[measure][task] = {**intervals, f"{first} less {second}": difference}
    return figures


def _credits(rows: Sequence[Row], direction: str) -> Floats:
    return np.array([float(row["credit"][MEASURE]) for row in rows if row["task"] == direction])


def _likeness(rows: Sequence[Row]) -> dict[str, Floats]:
    """By layer and recording, shape ``(L, R)``: the words of one recording are no independent items."""
    difference, nearer = defaultdict(list), defaultdict(list)
    for row in rows:
        pairs = list(zip(row["same_by_layer"], row["other_by_layer"], strict=True))
        difference[row["key"]].append([same - other for same, other in pairs])
        nearer[row["key"]].append([credit(same, other) for same, other in pairs])
    return {
        "likeness, same less another word": np.array([np.mean(values, 0) for values in difference.values()]).T,
        "nearer to its own speech": np.array([np.mean(values, 0) for values in nearer.values()]).T,
    }


def interval(values: Floats) -> Interval:
    """Mean of ``(seeds, items)``, the 95 % interval over items (each the mean over seeds), and the seeds' own means."""
    low, high = bootstrap_interval(values.mean(0).tolist(), seed=0) or (None, None)
    return {"mean": float(values.mean()), "low": low, "high": high, "by_seed": values.mean(1).tolist()}


def tables(figures: Mapping[str, Mapping[str, object]]) -> str:
    """One table a measure in Markdown: mean, interval and the seeds' own means, by kind of model."""
    lines = []
    for measure, tasks in figures.items():
        lines += [f"**{measure}**", "", f"| model | {' | '.join(tasks)} |", "|---" * (len(tasks) + 1) + "|"]
        for name in next(iter(tasks.values())):  # type: ignore[attr-defined]
            signed = " less " in f"{measure} {name}" or measure == "gain"
            cells = [_cell(by_name[name], signed=signed) for by_name in tasks.values()]  # type: ignore[index]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def _cell(found: Mapping[str, object], *, signed: bool) -> str:
    form = "+.3f" if signed else ".3f"
    seeds = ", ".join(f"{value:{form}}" for value in found["by_seed"])  # type: ignore[attr-defined]
    return f"{found['mean']:{form}} [{found['low']:{form}}, {found['high']:{form}}] ({seeds})"
