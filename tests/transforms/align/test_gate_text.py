import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import AlignedWord
from transforms.align.gate_text import given_text, sentence_case
from transforms.text.verbalise import tags, verbalise

PIECES = st.sampled_from(
    ["hello", "WORLD", "i", "21", ".", ",", "?", " ", "  ", "[noise]", "<unk>", "{breath}", "<i>", "é"]
)


def placed(text: str) -> list[AlignedWord]:
    return [AlignedWord(word.text, 0, 1, 0.0, word.char_start, word.char_end) for word in verbalise(text, "en")]


@given(st.text(max_size=20))
def test_a_text_keeps_its_length(text):
    cased = sentence_case(text)
    assert len(cased) == len(text)
    assert cased.lower() == text.lower() or not text.isascii()


@pytest.mark.parametrize(
    ("written", "cased"),
    [
        ("  HELLO THERE I'M BOB", "  Hello there I'm bob"),
        ('"THANK YOU". PLEASE HOLD, WHILE I TRY! (YES)', '"Thank you". Please hold, while I try! (Yes)'),
        ("... and wait ... for me", "... and wait ... for me"),
        ("am i there? so am i.", "Am I there? So am I."),
        ("hello IBM. am i?", "Hello IBM. am i?"),
    ],
)
def test_a_text_of_one_case_is_read_as_sentences(written, cased):
    assert sentence_case(written) == cased


@pytest.mark.parametrize(
    ("written", "lead"),
    [
        ("please hold [noise], one moment {breath}", " Please hold, one moment."),
        ("[noise] hello, <i>Bob</i>!", " Hello, Bob."),
        ("so [noise] <unk> la", " So la."),
        ("PRESS ONE [noise] NOW", " Press one now."),
        ("DIAL THE PBX IP FOR Q, AND A 2 AT 5 P.M. [noise] NO", " Dial the PBX IP for Q, and a 2 at 5 p.m. No."),
        ("no tags [at all] here?", " No tags [at all] here."),
    ],
)
def test_tags_are_not_given(written, lead):
    assert given_text(written, placed(written)).lead(0, len(written)).text == lead


@pytest.mark.parametrize(
    ("written", "lead"),
    [
        ("“Hold the line,” he said.", ' "Hold the line," he said.'),
        ("Press ‘one’, don’t wait", " Press 'one', don't wait."),
        ("„So‟ «is» « it » ‹now›", ' "So" is it now.'),
        ("Hold\nthe  line\u00a0or\t\u2009press\r\none\u3000now", " Hold the line or press one now."),
        ("\ufeffHold the li\u00adne\u200b or\u2060 wait\x00", " Hold the line or wait."),
        ("Hold 🙂 the ❤️ line 👍🏽 now 🙂", " Hold the line now."),
        ("♪ Hold the line ♪", " Hold the line."),
        ("• Hold **the line** _now_ `please`", " Hold the line now please."),
        ("¿Hold the non‑stop line?", " Hold the non-stop line."),
        ("It is 5° here*, press *", " It is 5° here , press *."),
    ],
)
def test_typography_is_not_given(written, lead):
    words = [word for word in placed(written) if written[word.char_end : word.char_end + 1] != "*"]
    assert given_text(written, words).lead(0, len(written)).text == lead


@given(st.lists(st.text(st.sampled_from("aAbIé5.,:;!?'\"()-…–—$%&"), min_size=1, max_size=6), max_size=8))
def test_plain_text_is_given_as_it_is(parts):
    text = " ".join(parts)
    given_ = given_text(text, placed(text))
    assert given_.text == sentence_case(text, [place for place in range(len(text)) if given_.text[place].isupper()])
    assert given_.origins == tuple(range(len(text)))


def test_a_tag_that_is_said_is_given_as_its_word():
    text = "some [noise] here"
    words = [*placed(text)[:1], AlignedWord("noise", 0, 1, 0.0, 5, 12), *placed(text)[1:]]
    lead = given_text(text, words).lead(0, len(text))
    assert lead.text == " Some noise here."
    assert [lead.origins[lead.text.index(word)] for word in ("Some", "noise", "here")] == [0, 6, 13]


@given(st.lists(PIECES, max_size=12).map("".join), st.data())
def test_every_letter_outside_the_tags_is_given_at_its_place(text, data):
    given_ = given_text(text, placed(text))
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    lead = given_.lead(start, end)
    assert len(lead.text) == len(lead.origins)
    assert list(lead.origins) == sorted(set(lead.origins))
    inner = list(zip(lead.text, lead.origins, strict=True))[1:-1]
    assert all(char.lower() == text[place].lower() for char, place in inner)
    in_tags = {place for first, last in tags(text) for place in range(first, last)}
    letters = {place for place in range(start, end) if text[place].isalnum()} - in_tags
    assert {place for char, place in inner if char.isalnum()} == letters
