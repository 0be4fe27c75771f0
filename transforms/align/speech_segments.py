"""Speech of a long recording in segments, by the voice activity model alone: cut at the widest pauses.

::

    speech    =====  ========= ====   =====                       == =======     between two, a pause of 0.1 s or more
    segments (=====  ========= ====) (=====                 )    (== =======)    0.2 s around it, or half the pause
                                     a pause of 2 s parts in any case
"""

from collections.abc import Iterator, Sequence

import numpy as np

from schemas.records import SAMPLE_RATE_HZ, Span
from transforms.align.longform_segments import MARGIN_SAMPLES
from transforms.align.vad import FRAME_SAMPLES, Probabilities, pauses

_LEAST_PAUSE_SAMPLES = SAMPLE_RATE_HZ // 10
_PARTING_PAUSE_SAMPLES = 2 * SAMPLE_RATE_HZ
LEAST_SPEECH_SAMPLES = SAMPLE_RATE_HZ // 4
"""A segment with less is a click or a breath; the same as Silero's own default."""


def speech_segments(probabilities: Probabilities, *, num_samples: int, max_samples: int) -> list[Span]:
    """Segments of at most ``max_samples``, in order and disjoint, each as long as it may be or half that.

    What is in none of them is silence and islands of less than a quarter of a second of speech. Where somebody speaks
    longer without a pause, the cut is where speech is least likely.

    Args:
        probabilities: Of speech, one a frame of 512 samples; shape ``(ceil(num_samples / 512),)``.
        num_samples: Length of the recording.
        max_samples: At least 2 s.
    """
    room = max_samples - 2 * MARGIN_SAMPLES
    spoken = list(_spoken(probabilities, num_samples, room))
    found = []
    first = 0
    while first < len(spoken):
        last = _end_of_segment(spoken, first, room)
        if sum(map(len, spoken[first:last])) >= LEAST_SPEECH_SAMPLES:
            floor = (spoken[first - 1].end + spoken[first].start) // 2 if first else 0
            ceiling = (spoken[last - 1].end + spoken[last].start) // 2 if last < len(spoken) else num_samples
            start = max(floor, spoken[first].start - MARGIN_SAMPLES)
            found.append(Span(start, min(ceiling, spoken[last - 1].end + MARGIN_SAMPLES)))
        first = last
    return found


def _spoken(probabilities: Probabilities, num_samples: int, room: int) -> Iterator[Span]:
    """Speech between pauses, in parts of at most ``room`` samples."""
    quiet = pauses(probabilities, num_samples=num_samples, min_samples=_LEAST_PAUSE_SAMPLES)
    edges = [0, *(edge for pause in quiet for edge in (pause.start, pause.end)), num_samples]
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        while end - start > room:
            low, high = (start + room // 2) // FRAME_SAMPLES, (start + room) // FRAME_SAMPLES
            cut = (low + int(np.argmin(probabilities[low:high]))) * FRAME_SAMPLES
            yield Span(start, cut)
            start = cut
        if start < end:
            yield Span(start, end)


def _end_of_segment(spoken: Sequence[Span], first: int, room: int) -> int:
    def gap(at: int) -> int:
        return spoken[at].start - spoken[at - 1].end

    last = first + 1
    while last < len(spoken) and gap(last) < _PARTING_PAUSE_SAMPLES and spoken[last].end - spoken[first].start <= room:
        last += 1
    if last == len(spoken) or gap(last) >= _PARTING_PAUSE_SAMPLES:
        return last
    half = spoken[first].start + room // 2
    cuts = range(first + 1, last + 1)
    return max([at for at in cuts if spoken[at - 1].end >= half] or cuts, key=gap)
