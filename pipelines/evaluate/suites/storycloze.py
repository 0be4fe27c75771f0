"""StoryCloze and Topic-StoryCloze: which ending belongs to a story, written, spoken, and from one into the other.

The wrong ending of StoryCloze contradicts the story, that of Topic-StoryCloze is another story's (Hassid et al. 2023).
Four directions, as the prompt and the ending are text (T) or speech (S). Whole stories in one recording, as the spoken
sets were released, have no prompt of their own: there the whole sequence alone is compared.
"""

from collections.abc import Callable, Sequence

from pipelines.evaluate.pairs import Comparison, PairSettings, Scope, compare
from pipelines.evaluate.suite import Outcome, Request, Scorer, Suite
from pipelines.evaluate.suites.storycloze_data import Story, read_stories
from pipelines.infer.parts import Part
from schemas.errors import UserError

DIRECTIONS = ("T->T", "S->S", "T->S", "S->T")


class StoryClozeSettings(PairSettings):
    """Which of two endings belongs to a story.

    Args:
        directions: Those that are evaluated, of T->T, S->S, T->S and S->T; all that the data allow if none is named.
    """

    directions: tuple[str, ...] = ()


def comparisons_of(stories: Sequence[Story], directions: Sequence[str]) -> list[Comparison]:
    """Every direction that a story has the parts for; a recording of a story is one object in all of them.

    Raises:
        UserError: No such direction, or no story has the parts for it.
    """
    found: list[Comparison] = []
    for direction in directions or DIRECTIONS:
        if direction not in DIRECTIONS:
            raise UserError(f"directions: there is no {direction}; choose of {', '.join(DIRECTIONS)}")
        own = [c for story in stories if (c := _comparison(story, direction)) is not None]
        if directions and not own:
            raise UserError(f"directions: no story of these data can be read as {direction}")
        found += own
    return found


def _comparison(story: Story, direction: str) -> Comparison | None:
    if direction == "S->S" and story.whole_audio is not None:
        right, wrong = story.whole_audio
        return Comparison(story.key, direction, (right,), (wrong,))
    prompt: Part | None = story.prompt_audio if direction[0] == "S" else story.prompt_text
    endings: tuple[Part, Part] | None = story.ending_audio if direction[-1] == "S" else story.ending_text
    if prompt is None or endings is None:
        return None
    return Comparison(story.key, direction, (endings[0],), (endings[1],), prompt=(prompt,))


def scopes_of(comparisons: Sequence[Comparison]) -> dict[str, tuple[Scope, ...]]:
    """By task: continuation and whole, or the whole alone where a task has no prompts."""
    return {c.task: ("continuation", "whole") if c.prompt else ("whole",) for c in comparisons}


def evaluate_stories(
    scorer: Scorer,
    stories: Sequence[Story],
    *,
    directions: Sequence[str] = (),
    max_failed_ratio: float = 0.0,
    seed: int,
    say: Callable[[str], None],
) -> Outcome:
    """Accuracy by direction, scope and norm.

    Raises:
        UserError: As ``comparisons_of``.
        EngineError: As ``compare``.
    """
    comparisons = comparisons_of(stories, directions)
    return compare(
        scorer, comparisons, scopes=scopes_of(comparisons), max_failed_ratio=max_failed_ratio, seed=seed, say=say
    )


def _runner(*, topic: bool) -> Callable[[Callable[[], Scorer], Request], Outcome]:
    def run(open_model: Callable[[], Scorer], request: Request) -> Outcome:
        stories = read_stories(request.data, topic=topic, seed=request.seed)[: request.limit]
        settings: StoryClozeSettings = request.settings
        comparisons_of(stories, settings.directions)  # so that a mistake shows before the model is opened
        return evaluate_stories(
            open_model(),
            stories,
            directions=settings.directions,
            max_failed_ratio=settings.max_failed_ratio,
            seed=request.seed,
            say=request.say,
        )

    return run


_LAYOUT = "N_mutual, N_correct and N_incorrect (.wav, .txt), or N_correct and N_incorrect as whole stories, or one .csv"

STORYCLOZE = Suite(
    title="the ending that fits a story, T->T, S->S, T->S, S->T",
    data="storycloze",
    public=("sStoryCloze", "StoryCloze-text"),
    layout=_LAYOUT,
    run=_runner(topic=False),
    settings=StoryClozeSettings,
)
TOPIC_STORYCLOZE = Suite(
    title="the ending that is this story's and not another's, T->T, S->S, T->S, S->T",
    data="topic-storycloze",
    public=("tStoryCloze", "StoryCloze-text"),
    layout=_LAYOUT,
    run=_runner(topic=True),
    settings=StoryClozeSettings,
)
