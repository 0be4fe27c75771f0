"""Cut and hear again: does each side of a cut say the words that the alignment puts there?

An interleaved sequence is cut where the alignment says that words meet. So a sample of what the gate accepts is cut
there, at the widest gap of its middle half, and Whisper transcribes both sides by themselves, and the whole::

    whole   Thank you, please hold while I try that extension.                 9 of 9 words
    cut     Thank you, please hold. | While I try that extension.              9 of 9 on their own side
    late    Thank you, please hold while I try | that extension.               6 of 9

What is heard in the whole and no longer once it is cut is lost by the cut. That a text is the right one the gate asks
of every utterance; this asks whether its times are, at the price of three transcriptions.
"""

import hashlib
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher

import numpy as np

from schemas.records import SAMPLE_RATE_HZ, AlignedWord, Waveform

FEWEST_WORDS = 4
"""Of fewer, a side is too short for Whisper to make out."""
_LONGEST_SAMPLES = 28 * SAMPLE_RATE_HZ  # what Whisper takes at once, less the silence around

Hear = Callable[[Waveform], list[str]]


def is_cut(words: Sequence[AlignedWord], waveform: Waveform, *, ratio: float) -> bool:
    """Whether this utterance is one of the share ``ratio`` that is cut: the same wherever and whenever it is asked."""
    if ratio <= 0 or len(words) < FEWEST_WORDS or len(waveform) > _LONGEST_SAMPLES:
        return False
    digest = hashlib.blake2b(np.ascontiguousarray(waveform).data, digest_size=8).digest()
    return int.from_bytes(digest, "big") < ratio * 2**64


def shares_heard(words: Sequence[AlignedWord], waveform: Waveform, hear: Hear) -> tuple[float, float]:
    """Share of the words that are heard in the whole, and on their own side of the cut.

    Args:
        words: Placed in ``waveform``. Words of one written number are not parted.
        hear: What is said in a stretch of audio, as words that are spoken.
    """
    texts = [word.text for word in words]
    whole = _matched(texts, hear(waveform)) / len(words)
    cuts = [place for place in range(1, len(words)) if words[place].char_start >= words[place - 1].char_end]
    if not cuts:
        return whole, whole
    inner = [place for place in cuts if len(words) <= 4 * place <= 3 * len(words)] or cuts
    cut = max(inner, key=lambda place: words[place].start_sample - words[place - 1].end_sample)
    sample = (words[cut - 1].end_sample + words[cut].start_sample) // 2
    apart = _matched(texts[:cut], hear(waveform[:sample])) + _matched(texts[cut:], hear(waveform[sample:]))
    return whole, apart / len(words)


def _matched(written: Sequence[str], heard: Sequence[str]) -> int:
    blocks = SequenceMatcher(None, list(written), list(heard), autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks)
