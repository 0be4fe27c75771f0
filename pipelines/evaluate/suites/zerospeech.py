"""sWUGGY and sBLIMP (ZeroSpeech 2021, Nguyen et al. 2020), spoken, and the same pairs as text.

A word against a made-up one, a sentence against an ungrammatical one; the model should find the former likelier. The
score of a pair is the mean over its voices, the result the mean over pairs, as the challenge has it; beside it stand
the challenge's groups, bands of frequency for words and phenomena for sentences.

Layout: ``lexical/dev/gold.csv`` with filename, id, voice, frequency, word, phones, length and correct (1 or 0), and
``syntactic/dev/gold.csv`` with filename, id, voice, type, subtype, transcription and correct; the audio beside them.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from pipelines.evaluate.pairs import Comparison, PairSettings, compare
from pipelines.evaluate.records import Record, audio_file, read_records
from pipelines.evaluate.suite import Outcome, Request, Scorer, Suite
from pipelines.infer.parts import Part, Speech, Text
from schemas.errors import UserError

Kind = Literal["lexical", "syntactic"]
GOLD = "gold.csv"
_TEXT = {"lexical": "word", "syntactic": "transcription"}
_EDGES = ((1, "oov"), (6, "1-5"), (21, "6-20"), (101, "21-100"))


class ZeroSpeechSettings(PairSettings):
    """Words against made-up ones, sentences against ungrammatical ones, spoken and written.

    Args:
        split: The folder below ``lexical`` or ``syntactic``.
    """

    split: str = Field(default="dev", min_length=1)


def read_pairs(data: Path, kind: Kind, *, split: str, spoken: bool, task: str) -> list[Comparison]:
    """Pairs of a data set's root, or of the folder with ``gold.csv`` itself, sorted by id and voice.

    As text a pair that several voices say comes once.

    Raises:
        UserError: A file or a column is missing, a row is malformed, or a pair is not one right and one wrong item.
    """
    folder = data if (data / GOLD).is_file() else data / kind / split
    columns = ("filename", "id", "voice", "correct", _TEXT[kind])
    rows = read_records(folder / GOLD, required=columns)
    pairs: dict[tuple[str, str], dict[int, Record]] = defaultdict(dict)
    for row in rows:
        correct = row.get("correct")
        if correct not in ("0", "1"):
            raise UserError(
                f"{row.place}: correct is {correct!r}; it is 1 for the right item of a pair and 0 for the wrong"
            )
        # The syntactic ids begin anew in each subtype.
        key = "/".join(part for part in (row.get("type"), row.get("subtype"), row.need("id")) if part)
        pair = pairs[key, row.get("voice") if spoken else ""]
        if int(correct) not in pair:
            pair[int(correct)] = row
        elif spoken:
            raise UserError(
                f"{row.place}: pair {key} has two items with correct = {correct} and voice {row.get('voice')}"
            )
    found = []
    for (key, _), pair in sorted(pairs.items(), key=lambda item: item[0]):
        if len(pair) != 2:
            (lonely,) = pair.values()
            raise UserError(f"{lonely.place}: pair {key} has no item with correct = {1 - int(lonely.get('correct'))}")
        groups = _groups(pair[1], kind)
        better, worse = (_part(pair[value], folder, kind, spoken) for value in (1, 0))
        found.append(Comparison(key, task, (better,), (worse,), groups=groups))
    return found


def _part(row: Record, folder: Path, kind: Kind, spoken: bool) -> Part:
    if spoken:
        return Speech(audio=audio_file(folder, row.need("filename"), place=row.place))
    # Non-words without a spelling have their phones there, which are no text: they cannot be compared in writing.
    return Text(row.need(_TEXT[kind]))


def _groups(right: Record, kind: Kind) -> tuple[str, ...]:
    """The frequency band of a word, or the phenomenon of a sentence."""
    if kind == "syntactic":
        return (right.get("type"),) if right.get("type") else ()
    frequency = right.get("frequency")
    if not frequency:
        return ()
    try:
        count = int(float(frequency))
    except ValueError as error:
        raise UserError(f"{right.place}: frequency is {frequency!r}; expected a number") from error
    return (f"frequency {next((name for edge, name in _EDGES if count < edge), '>100')}",)


def first_keys(comparisons: Sequence[Comparison], limit: int | None) -> list[Comparison]:
    """Those of the first ``limit`` keys, with all their voices or directions."""
    kept = set(list(dict.fromkeys(comparison.key for comparison in comparisons))[:limit])
    return [comparison for comparison in comparisons if comparison.key in kept]


def _runner(task: str, kind: Kind, *, spoken: bool) -> Callable[[Callable[[], Scorer], Request], Outcome]:
    def run(open_model: Callable[[], Scorer], request: Request) -> Outcome:
        settings: ZeroSpeechSettings = request.settings
        pairs = read_pairs(request.data, kind, split=settings.split, spoken=spoken, task=task)
        return compare(
            open_model(),
            first_keys(pairs, request.limit),
            scopes={task: ("continuation",)},
            max_failed_ratio=settings.max_failed_ratio,
            seed=request.seed,
            say=request.say,
        )

    return run


_LAYOUT = "{}/dev/gold.csv{}"

SWUGGY = Suite(
    title="spoken words against made-up ones",
    data="zerospeech",
    public=("sLM21",),
    layout=_LAYOUT.format("lexical", " and its audio"),
    run=_runner("sWUGGY", "lexical", spoken=True),
    settings=ZeroSpeechSettings,
)
WUGGY = Suite(
    title="written words against made-up ones",
    data="zerospeech",
    public=("sLM21",),
    layout=_LAYOUT.format("lexical", ""),
    run=_runner("WUGGY", "lexical", spoken=False),
    settings=ZeroSpeechSettings,
)
SBLIMP = Suite(
    title="spoken sentences against ungrammatical ones",
    data="zerospeech",
    public=("sLM21",),
    layout=_LAYOUT.format("syntactic", " and its audio"),
    run=_runner("sBLIMP", "syntactic", spoken=True),
    settings=ZeroSpeechSettings,
)
BLIMP = Suite(
    title="written sentences against ungrammatical ones",
    data="zerospeech",
    public=("sLM21",),
    layout=_LAYOUT.format("syntactic", ""),
    run=_runner("BLIMP", "syntactic", spoken=False),
    settings=ZeroSpeechSettings,
)
