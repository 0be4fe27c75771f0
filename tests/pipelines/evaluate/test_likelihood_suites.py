"""sWUGGY, sBLIMP and StoryCloze on their small sets: known models, the public layouts, mistakes in the data."""

import shutil
from pathlib import Path

import pytest

from pipelines.evaluate.registry import suite_named
from pipelines.evaluate.suites.storycloze import comparisons_of, scopes_of
from pipelines.evaluate.suites.storycloze_data import read_stories
from pipelines.evaluate.suites.zerospeech import first_keys, read_pairs
from pipelines.infer.parts import Speech, Text
from schemas.errors import UserError
from tests.pipelines.evaluate.fake_models import (
    BUNDLED,
    anti_perfect,
    name_of,
    perfect,
    random_scorer,
    request_of,
    undecided,
)

SUITES = ("swuggy", "wuggy", "sblimp", "blimp", "storycloze", "topic-storycloze")


def comparisons(name: str):
    if "cloze" in name:
        return comparisons_of(read_stories(BUNDLED / name, topic=False, seed=0), ())
    kind = "lexical" if "wuggy" in name else "syntactic"
    return read_pairs(BUNDLED / "zerospeech", kind, split="dev", spoken=name.startswith("s"), task=name)


@pytest.mark.parametrize("name", SUITES)
def test_known_models_get_the_scores_they_must(name):
    suite = suite_named(name)
    for model, wanted in ((perfect, 1.0), (anti_perfect, 0.0), (undecided, 0.5)):
        figures = suite.run(lambda model=model: model(comparisons(name)), request_of(suite)).figures
        assert figures
        assert {figure.value for figure in figures} == {wanted}
    figures = suite.run(lambda: random_scorer(comparisons(name)), request_of(suite)).figures
    assert all(0.1 < figure.value < 0.9 for figure in figures if figure.items >= 20)


def test_a_limit_is_of_pairs_with_all_their_voices():
    suite = suite_named("swuggy")
    outcome = suite.run(lambda: perfect(comparisons("swuggy")), request_of(suite, limit=3))
    assert outcome.figures[0].items == 3
    assert len(outcome.rows) == 6
    assert len(first_keys(comparisons("swuggy"), None)) == 80


def test_the_gold_table_is_read_as_it_stands():
    spoken = {c.key: c for c in comparisons("swuggy")}
    written = {c.key: c for c in comparisons("wuggy")}
    assert (written["0"].better, written["0"].worse) == ((Text("message"),), (Text("mevvage"),))
    assert spoken["0"].better[0].audio == BUNDLED / "zerospeech/lexical/dev/w00s1.ogg"
    assert {group for c in spoken.values() for group in c.groups} >= {"frequency oov", "frequency 21-100"}
    (agreement,) = {c.groups for c in comparisons("blimp") if c.key == "anaphor agreement/gender/12"}
    assert agreement == ("anaphor agreement",)


def test_stories_have_four_directions_and_share_their_recordings():
    found = comparisons("storycloze")
    assert [c.task for c in found[::20]] == ["T->T", "S->S", "T->S", "S->T"]
    first = {c.task: c for c in found if c.key == "0"}
    assert first["S->S"].prompt[0] is first["S->T"].prompt[0]
    assert first["S->S"].better[0] is first["T->S"].better[0]
    assert name_of(first["T->T"].better[0]) == "It was in his pocket."
    assert scopes_of(found)["T->S"] == ("continuation", "whole")


def test_whole_stories_as_twist_released_them(tmp_path):
    for number in (10, 9):
        for ending in ("correct", "incorrect"):
            shutil.copy(BUNDLED / f"storycloze/{number}_{ending}.ogg", tmp_path)
    stories = read_stories(tmp_path, topic=False, seed=0)
    assert [story.key for story in stories] == ["9", "10"]
    found = comparisons_of(stories, ())
    assert {c.task for c in found} == {"S->S"}
    assert scopes_of(found) == {"S->S": ("whole",)}
    with pytest.raises(UserError, match="no story of these data can be read as S->T"):
        comparisons_of(stories, ("S->T",))
    with pytest.raises(UserError, match="there is no S->X"):
        comparisons_of(stories, ("S->X",))


HEADER = (
    "InputStoryid,InputSentence1,InputSentence2,InputSentence3,InputSentence4,"
    "RandomFifthSentenceQuiz1,RandomFifthSentenceQuiz2,AnswerRightEnding\n"
)


def test_the_written_test_is_a_table(tmp_path):
    table = tmp_path / "test.csv"
    table.write_text(HEADER + "x,A.,B.,C.,D.,wrong x,right x,2\n" + 'y,"E, e.",F.,G.,H.,right y,wrong y,1\n')
    first, second = read_stories(tmp_path, topic=False, seed=0)
    assert (first.prompt_text, second.prompt_text) == (Text("A. B. C. D."), Text("E, e. F. G. H."))
    assert first.ending_text == (Text("right x"), Text("wrong x"))
    topical, _ = read_stories(table, topic=True, seed=0)
    assert topical.ending_text == (Text("right x"), Text("right y"))


@pytest.mark.parametrize("seed", range(4))
def test_the_other_storys_ending_is_never_ones_own(tmp_path, seed):
    rows = [f"id{n},a,b,c,d,right {n},wrong {n},1\n" for n in range(7)]
    (tmp_path / "test.csv").write_text(HEADER + "".join(rows))
    stories = read_stories(tmp_path, topic=True, seed=seed)
    assert all(right != wrong and wrong.text.startswith("right") for right, wrong in (s.ending_text for s in stories))
    assert [s.ending_text for s in stories] == [s.ending_text for s in read_stories(tmp_path, topic=True, seed=seed)]


GOLD = "filename,id,voice,frequency,word,phones,length,correct\n"
GOOD = "a,1,V,3,dog,d,1,1\nb,1,V,,dag,d,1,0\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"gold\.csv: no such file"),
        ("", r"gold\.csv: no rows"),
        ("filename,id\n1,2\n", r"gold\.csv:2: no column voice"),
        (GOLD + "a,1,V,3,dog,d,1\n", r"gold\.csv:2: the row has 7 cells, the header has 8"),
        (GOLD + GOOD.replace("d,1,0", "d,1,no"), r"gold\.csv:3: correct is 'no'"),
        (GOLD + GOOD.splitlines()[0], r"gold\.csv:2: pair 1 has no item with correct = 0"),
        (GOLD + GOOD + "c,1,V,,dug,d,1,0\n", r"gold\.csv:4: pair 1 has two items with correct = 0"),
        (GOLD + GOOD.replace("V,3", "V,often"), r"gold\.csv:2: frequency is 'often'"),
        (GOLD + GOOD, r"gold\.csv:2: no audio .*a \("),
        (GOLD + '"a,1,V,3,dog,d,1,1\n', r"gold\.csv:2: unexpected end of data"),
    ],
)
def test_mistakes_in_a_gold_table_are_named_by_line(tmp_path, text, message):
    if text is not None:
        (tmp_path / "gold.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        read_pairs(tmp_path, "lexical", split="dev", spoken=True, task="sWUGGY")


def test_a_word_without_a_spelling_cannot_be_compared_in_writing(tmp_path):
    (tmp_path / "gold.csv").write_text(GOLD + GOOD.replace("dag", ""))
    with pytest.raises(UserError, match=r"gold\.csv:3: word is empty"):
        read_pairs(tmp_path, "lexical", split="dev", spoken=False, task="WUGGY")


def broken_story(folder: Path, what: str) -> None:
    for part in ("mutual", "correct", "incorrect"):
        for suffix in (".ogg", ".txt"):
            shutil.copy(BUNDLED / f"storycloze/0_{part}{suffix}", folder)
    path = folder / what
    if path.suffix == ".csv":
        for old in folder.iterdir():
            old.unlink()
        path.write_text(HEADER + "x,A.,B.,C.,D.,wrong x,right x,3\n")
    elif path.suffix == ".txt" and "incorrect" in what:
        path.write_bytes(b"\xff\xfe")
    else:
        path.unlink()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("0_incorrect.ogg", r"0_incorrect\.\*: no such file; 0_correct is there"),
        ("0_correct.txt", r"0_correct\.\*: no such file; 0_incorrect is there"),
        ("0_mutual.txt", r"0_mutual\.txt: no such file"),
        ("0_incorrect.txt", r"0_incorrect\.txt: not UTF-8"),
        ("stories.csv", r"stories\.csv:2: AnswerRightEnding is '3'"),
    ],
)
def test_mistakes_in_stories_are_named_by_file(tmp_path, what, message):
    broken_story(tmp_path, what)
    with pytest.raises(UserError, match=message):
        read_stories(tmp_path, topic=False, seed=0)


def test_nothing_there_is_the_users_mistake(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        read_stories(tmp_path / "none", topic=False, seed=0)
    with pytest.raises(UserError, match=r"no N_correct\.wav"):
        read_stories(tmp_path, topic=False, seed=0)


def test_a_mistake_shows_before_the_model_is_opened(tmp_path):
    def open_model():
        raise AssertionError("opened")

    for name in SUITES:
        suite = suite_named(name)
        with pytest.raises(UserError):
            suite.run(open_model, request_of(suite, data=tmp_path))


def test_parts_of_spoken_stories_are_speech():
    story = read_stories(BUNDLED / "storycloze", topic=False, seed=0)[3]
    assert isinstance(story.prompt_audio, Speech)
    assert story.whole_audio is None
