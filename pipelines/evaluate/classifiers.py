"""Judges of what a model says: sentiment of text and speech, toxicity of text. Each is chosen by a name.

lexicon       words of the text (``lexicon``)                                  sentiment of text, the default
transcript    what Whisper tiny.en hears, judged as text: words, not tone      sentiment of speech, the default
hf:FOLDER     a Hugging Face classifier in a local folder                      all
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.evaluate.asr import transcribe
from pipelines.evaluate.lexicon import SENTIMENTS, Sentiment, lexicon_sentiment
from schemas.errors import UserError
from schemas.records import SAMPLE_RATE_HZ, Waveform

TextJudge = Callable[[Sequence[str]], list[Sentiment]]
SpeechJudge = Callable[[Sequence[Waveform]], list[Sentiment]]
TextScorer = Callable[[Sequence[str]], list[float]]

_HF = "hf:"
_BATCH = 16
# Spirit LM's mapping of emotions (happy, amused; sad, angry; default), and other usual names of the three.
NAMES: dict[str, Sentiment] = {
    **dict.fromkeys(("positive", "pos", "happy", "happiness", "amused", "amusement", "joy"), "positive"),
    **dict.fromkeys(("negative", "neg", "sad", "sadness", "angry", "anger"), "negative"),
    **dict.fromkeys(("neutral", "neu", "default", "calm"), "neutral"),
}


def sentiment_of_label(label: str, *, place: str, labels: Mapping[str, str] | None = None) -> Sentiment:
    """The sentiment that a label means: by ``labels`` first, then by its name.

    Raises:
        UserError: It means none.
    """
    name = (labels or {}).get(label, label).lower()
    if name not in NAMES:
        raise UserError(
            f"{place}: the label {label!r} is no sentiment known here; say what it means, --set labels='{{{label}: "
            f"{'|'.join(SENTIMENTS)}}}'"
        )
    return NAMES[name]


def text_judge(name: str, *, labels: Mapping[str, str]) -> TextJudge:
    """Raises: UserError: No such judge."""
    if name == "lexicon":
        return lambda texts: [lexicon_sentiment(text) for text in texts]
    if name.startswith(_HF):
        return _HfText(name.removeprefix(_HF)).sentiments(labels)
    raise UserError(f"text_classifier: {name!r} is neither lexicon nor hf:FOLDER")


def speech_judge(name: str, *, text: TextJudge, labels: Mapping[str, str]) -> SpeechJudge:
    """``transcript`` judges by ``text``; recordings without a sample are neutral.

    Raises:
        UserError: No such judge.
    """
    if name == "transcript":
        return lambda waveforms: text(transcribe(waveforms))
    if name.startswith(_HF):
        return _HfSpeech(name.removeprefix(_HF)).sentiments(labels)
    raise UserError(f"speech_classifier: {name!r} is neither transcript nor hf:FOLDER")


def toxicity_scorer(name: str, *, label: str) -> TextScorer:
    """Probability of the label called ``label``.

    Raises:
        UserError: No such classifier, or it has no such label.
    """
    if not name.startswith(_HF):
        raise UserError(f"classifier: {name!r} is not hf:FOLDER")
    return _HfText(name.removeprefix(_HF)).probabilities_of(label)


def _open(folder: str, kind: str, processor: str) -> tuple[Any, Any]:
    import transformers

    if not (Path(folder) / "config.json").is_file():
        raise UserError(f"{folder}: no config.json; hf: needs the local folder of a Hugging Face classifier")
    try:
        model = getattr(transformers, kind).from_pretrained(folder, local_files_only=True)
        reader = getattr(transformers, processor).from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: cannot be opened as a classifier: {' '.join(str(error).split())}") from error
    return model.eval(), reader


class _HfText:
    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.model, self.tokenizer = _open(folder, "AutoModelForSequenceClassification", "AutoTokenizer")
        self.labels: dict[int, str] = dict(self.model.config.id2label)

    def probabilities(self, texts: Sequence[str]) -> Any:
        """Shape ``(texts, labels)``."""
        import torch

        rows = []
        with torch.inference_mode():
            for first in range(0, len(texts), _BATCH):
                batch = self.tokenizer(
                    list(texts[first : first + _BATCH]), return_tensors="pt", padding=True, truncation=True
                )
                rows.append(self.model(**batch).logits.softmax(-1))
        return torch.cat(rows) if rows else torch.zeros((0, len(self.labels)))

    def sentiments(self, labels: Mapping[str, str]) -> TextJudge:
        meant = _meanings(self.folder, self.labels, labels)
        return lambda texts: [meant[int(index)] for index in self.probabilities(texts).argmax(-1)]

    def probabilities_of(self, label: str) -> TextScorer:
        found = [index for index, name in self.labels.items() if name.lower() == label.lower()]
        if not found:
            raise UserError(f"{self.folder}: no label {label!r} (there are: {', '.join(self.labels.values())})")
        return lambda texts: [float(row[found[0]]) for row in self.probabilities(texts)]


class _HfSpeech:
    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.model, self.features = _open(folder, "AutoModelForAudioClassification", "AutoFeatureExtractor")
        self.labels: dict[int, str] = dict(self.model.config.id2label)
        if self.features.sampling_rate != SAMPLE_RATE_HZ:
            raise UserError(f"{folder}: it listens at {self.features.sampling_rate} Hz, answers have {SAMPLE_RATE_HZ}")

    def sentiments(self, labels: Mapping[str, str]) -> SpeechJudge:
        meant = _meanings(self.folder, self.labels, labels)
        return lambda waveforms: [self._one(waveform, meant) for waveform in waveforms]

    def _one(self, waveform: Waveform, meant: Mapping[int, Sentiment]) -> Sentiment:
        """One at a time: padding would tell some architectures of the batch mates."""
        import torch

        if not len(waveform):
            return "neutral"
        batch = self.features(waveform, sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt")
        with torch.inference_mode():
            return meant[int(self.model(**batch).logits[0].argmax())]


def _meanings(folder: str, names: Mapping[int, str], labels: Mapping[str, str]) -> dict[int, Sentiment]:
    return {index: sentiment_of_label(name, place=folder, labels=labels) for index, name in names.items()}
