"""A second opinion on a transcript: how likely Whisper finds each of its words, given the audio and the words before.

The decoder is not asked to transcribe. It is fed the text as written and each token's probability is read off
(teacher forcing), with the place where the decoder looks for it (cross-attention, dynamic time warping). That costs
one encoder pass over the speech as it is, without the usual padding to 30 s, and one decoder pass::

    audio   that agent is already logged on
    text    That  agent  is  already  logged  in
    nats    -0.7  -0.4   0.0   0.0    -0.1   -6.2        a word that is not there costs several nats

Only where a token is that unlikely does it transcribe as well, to see whether a word is said there that is not written.

Whisper tiny.en (Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision"; MIT) by
CTranslate2. English only: of another language the gate hears no second opinion.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from schemas.records import SAMPLE_RATE_HZ, AlignedWord, Waveform
from transforms.align.gate_text import GivenText, given_text
from transforms.text.verbalise import verbalise
from transforms.units.whisper_weights import MODEL_SHA256, tiny_en_folder

LANGUAGES = frozenset({"en"})
LEAST_NATS = -12.0
"""Floor of a token's log-probability: below it, less likely says no more."""

_WINDOW_SAMPLES = 28 * SAMPLE_RATE_HZ
_WINDOW_TOKENS = 200
_START_OF_TRANSCRIPT = 50257
_NO_TIMESTAMPS = 50362
_UNLIKELY_NATS = -4.0  # at -2.5 twice as many recordings are transcribed, and no more missing words are found
_TAIL_SAMPLES = 1600
_MOST_TOKENS_PER_S = 8  # bounds what Whisper makes up
_MOST_TOKENS = 440  # the decoder has 448 positions


@dataclass(frozen=True, slots=True)
class Opinion:
    """Of one word: its least likely token's and its mean log-probability (nats), and where it was looked for.

    ``ending_nats``: of the last word, how likely a full stop is behind it; 0 of any other. ``unwritten``: a word is
    heard between it and its neighbour that the text does not have.
    """

    worst_nats: float
    mean_nats: float
    start_sample: int
    ending_nats: float = 0.0
    unwritten: bool = False


@dataclass(frozen=True, slots=True)
class TextScorer:
    """Whisper as a judge of text. One utterance at a time, one thread: no neighbour effects."""

    model: Any
    tokenizer: Any
    features: Any

    def opinions(self, waveform: Waveform, text: str, words: Sequence[AlignedWord]) -> list[Opinion]:
        """One opinion a word; words of one character range share theirs, as the text is scored as it is written.

        Args:
            text: As written; the words' character ranges point into it.
            words: Placed in the audio; long audio is cut between them into windows of at most 28 s.
        """
        given = given_text(text, words)
        found: list[Opinion] = []
        for first, last, start, end in word_windows(words, num_samples=len(waveform)):
            char_start = 0 if first == 0 else words[first].char_start
            char_end = len(text) if last == len(words) else words[last].char_start
            found += self._window(waveform[start:end], given.lead(char_start, char_end), words[first:last], start)
        return found

    def hear(self, waveform: Waveform) -> list[str]:
        """What Whisper makes of up to 28 s by itself, in words as they are spoken; nothing of less than 0.1 s."""
        if len(waveform) < SAMPLE_RATE_HZ // 10:
            return []
        silence = np.zeros(2 * _TAIL_SAMPLES, np.float32)
        encoded, _ = self._encode(np.concatenate([silence, waveform, silence]))
        return self._heard(encoded, most_tokens=round(_MOST_TOKENS_PER_S * len(waveform) / SAMPLE_RATE_HZ) + 8)

    def _window(self, waveform: Waveform, lead: GivenText, words: Sequence[AlignedWord], offset: int) -> list[Opinion]:
        encoding = self.tokenizer.encode(lead.text, add_special_tokens=False)
        ids = encoding.ids[:_MOST_TOKENS]
        ranges = [(lead.origins[a], lead.origins[b - 1] + 1) for a, b in encoding.offsets[:_MOST_TOKENS]]
        encoded, frames = self._encode(waveform)
        nats, starts = self._score(encoded, frames, ids)
        opinions = []
        for word in words:
            mine = [index for index, (a, b) in enumerate(ranges) if a < word.char_end and b > word.char_start]
            if not mine:
                opinions.append(Opinion(LEAST_NATS, LEAST_NATS, word.start_sample))
                continue
            of_word = [nats[index] for index in mine]
            opinions.append(Opinion(min(of_word), sum(of_word) / len(mine), offset + starts[mine[0]]))
        if len(encoding.ids) <= _MOST_TOKENS:
            opinions[-1] = replace(opinions[-1], ending_nats=nats[-1])
        if len(words) > 1 and min(nats) < _UNLIKELY_NATS:
            heard = self._heard(encoded, most_tokens=round(1.5 * len(ids)) + 8)  # bounds what Whisper makes up
            for place in beside_unwritten([word.text for word in words], heard):
                opinions[place] = replace(opinions[place], unwritten=True)
        return opinions

    def _encode(self, waveform: Waveform) -> tuple[Any, int]:
        """The encoder's output and its input's length in frames of 10 ms."""
        import ctranslate2

        padded = np.concatenate([waveform, np.zeros(_TAIL_SAMPLES, np.float32)])
        mel_FT = self.features(padded)
        frames = mel_FT.shape[1] // 2 * 2
        mel_1FT = np.ascontiguousarray(mel_FT[None, :, :frames], dtype=np.float32)
        return self.model.encode(ctranslate2.StorageView.from_array(mel_1FT)), frames

    def _heard(self, encoded: Any, *, most_tokens: int) -> list[str]:
        """Words as they would be said, of the likeliest transcript by greedy search."""
        prompt = [_START_OF_TRANSCRIPT, _NO_TIMESTAMPS]
        max_length = min(2 * most_tokens, _MOST_TOKENS)  # CTranslate2 ends an answer at half of it
        result = self.model.generate(encoded, [prompt], beam_size=1, max_length=max_length)[0]
        return [word.text for word in verbalise(self.tokenizer.decode(result.sequences_ids[0]), "en")]

    def _score(self, encoded: Any, frames: int, ids: list[int]) -> tuple[list[float], list[int]]:
        """Log-probability and first sample of each token."""
        result = self.model.align(encoded, [_START_OF_TRANSCRIPT], [ids], [frames])[0]
        nats = [max(LEAST_NATS, float(np.log(max(p, 1e-9)))) for p in result.text_token_probs]
        starts = [0] * len(ids)
        for token, frame in reversed(result.alignments):
            if token < len(ids):
                starts[token] = frame * 320
        return nats, starts


def beside_unwritten(written: Sequence[str], heard: Sequence[str]) -> list[int]:
    """Places of the written words beside which others are heard, none of them in another word's stead.

    What is heard behind the last word does not count: Whisper tends to say it all over again there. Of a transcript
    that is nothing but one passage over and over, the passage counts once.
    """
    matcher = SequenceMatcher(None, list(written), list(_once(heard)), autojunk=False)
    found: set[int] = set()
    for operation, first, _, _, _ in matcher.get_opcodes():
        if operation == "insert" and first < len(written):
            found |= {first} | ({first - 1} if first else set())
    return sorted(found)


def _once(heard: Sequence[str]) -> Sequence[str]:
    for period in range(1, len(heard) // 2 + 1):
        if all(word == heard[place % period] for place, word in enumerate(heard)):
            return heard[:period]
    return heard


def load_text_scorer() -> TextScorer:
    """Open Whisper tiny.en of the pinned package.

    Raises:
        UserError: The weights are missing or not the recorded ones.
    """
    import ctranslate2
    from faster_whisper.feature_extractor import FeatureExtractor
    from tokenizers import Tokenizer

    folder = tiny_en_folder()
    model = ctranslate2.models.Whisper(str(folder), device="cpu", compute_type="int8", intra_threads=1, inter_threads=1)
    return TextScorer(model, Tokenizer.from_file(str(folder / "tokenizer.json")), FeatureExtractor(80))


def text_scorer_fingerprint() -> str:
    return f"whisper-align/7/int8/{MODEL_SHA256[:16]}"


def word_windows(words: Sequence[AlignedWord], *, num_samples: int) -> list[tuple[int, int, int, int]]:
    """Runs of words whose audio fits the model: ``(first word, last word, start, end)``, half-open.

    Cut at the widest gap of the second half of a window, and between words of different character ranges. The audio
    ranges partition ``[0, num_samples)``, except that a word longer than a window is cut off.
    """
    windows = []
    first, start = 0, 0
    while first < len(words):
        last = first + 1
        while last < len(words) and last - first < _WINDOW_TOKENS and words[last].end_sample - start <= _WINDOW_SAMPLES:
            last += 1
        if last == len(words) and num_samples - start <= _WINDOW_SAMPLES:
            windows.append((first, last, start, num_samples))
            break
        middle = first + (last - first + 1) // 2
        cuts = [cut for cut in range(middle, last) if words[cut].char_start >= words[cut - 1].char_end]
        if last < len(words) and cuts:
            last = max(cuts, key=lambda cut: words[cut].start_sample - words[cut - 1].end_sample)
        end = num_samples if last == len(words) else (words[last - 1].end_sample + words[last].start_sample) // 2
        windows.append((first, last, start, min(end, start + _WINDOW_SAMPLES)))
        first, start = last, end
    return windows
