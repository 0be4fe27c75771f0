import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import RecordError
from transforms.text.verbalise import LANGUAGES, slots, speak, verbalise

TEXT_PIECES = st.sampled_from(
    "dial 500 1234 0 007 28.8 $5.50 £1 30% 10:05 p.m. 3/4 1990s 21st 555-1234 U.S. Mr. Dr. IAX2 H.323 PBX's "
    "www.a.org x@y.com don't café naïve -5 5-10 # * & / 12/25/2020 99/99/2020 25:61 1,234,567 12345678901234567890 "
    "½ ¾ 10⁴ ⁻⁶ m² km #MeToo2 *x* AT&T 5'10\" '60s B-52s XLII's pp. EST. $-5 per /kg million hour "
    "[noise] <i> </i> {breath} [a_1/b-c] <1> "
    "²  … ' '' ٣ İ ß "
    "e\u0301t\u00e9 日本 $ . , \n".split(" ")
)
TEXTS = st.one_of(
    st.text(max_size=60), st.lists(TEXT_PIECES, max_size=12).map(" ".join), st.lists(TEXT_PIECES).map("".join)
)


def said(text: str) -> str:
    return " ".join(word.text for word in verbalise(text, "en"))


@given(TEXTS)
def test_ranges_are_ordered_inside_the_text_and_equal_or_disjoint(text):
    words = verbalise(text, "en")
    for word in words:
        assert 0 <= word.char_start < word.char_end <= len(text)
    for left, right in pairwise(words):
        same = (left.char_start, left.char_end) == (right.char_start, right.char_end)
        assert same or left.char_end <= right.char_start


@given(TEXTS)
def test_words_are_lower_case_letters_and_inner_apostrophes(text):
    for slot in slots(text, "en"):
        for reading in slot.readings:
            for word in reading:
                assert word == word.lower()
                assert word.strip("'") == word or word.startswith("'")
                assert all(char.isalpha() or char == "'" for char in word)
                assert any(char.isalpha() for char in word)


@given(TEXTS)
def test_every_letter_and_digit_of_plain_text_lies_in_a_slot(text):
    covered = {place for slot in slots(text, "en") for place in range(slot.char_start, slot.char_end)}
    for place, char in enumerate(text):
        if char.isascii() and char.isalnum():
            assert place in covered, (text, place)


@given(TEXTS)
def test_the_default_is_the_first_reading_of_every_slot(text):
    assert verbalise(text, "en") == speak(slots(text, "en"))


@given(st.integers(min_value=0, max_value=10**20))
def test_every_number_is_read_in_full(number):
    (slot,) = slots(str(number), "en")
    assert (slot.char_start, slot.char_end) == (0, len(str(number)))
    assert all(reading for reading in slot.readings)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Thank you.", "thank you"),
        ("\ufeffco\u00adoperate, zero\u200bwidth, 5\u2060000 th\u00adings", "cooperate zerowidth five thousand things"),
        ("a 28.8 kilobit modem", "a twenty eight point eight kilobit modem"),
        ("extension 1234 and password 4242", "extension one two three four and password four two four two"),
        ("in 1984", "in nineteen eighty four"),
        ("1905, 2000, 2024", "nineteen oh five two thousand twenty twenty four"),
        ("2,500 people", "two thousand five hundred people"),
        ("007", "zero zero seven"),
        ("-5 to +5", "minus five to plus five"),
        ("pages 5-10", "pages five to ten"),
        ("21st, 2nd", "twenty first second"),
        ("the 1990s", "the nineteen nineties"),
        ("1/2 and 3/4", "one half and three quarters"),
        ("$5.50", "five dollars and fifty cents"),
        ("16:9 and 3:1", "sixteen to nine and three to one"),
        ("#MeToo in #Covid19, *sigh*", "hashtag me too in hashtag covid nineteen sigh"),
        ("a 10-km run, $5/kg, 10 per km²", "a ten kilometer run five dollars per kilogram ten per square kilometer"),
        ("Elizabeth II's reign, Chapter XLII, L and C", "elizabeth the second's reign chapter forty two l and c"),
        ("pp. 5-10, p. 7, Nos. 1 and 2", "pages five to ten page seven numbers one and two"),
        ("at 9 EST. On Main St. or St. Louis", "at nine e s t on main street or saint louis"),
        (
            "the '60s and M&M's of Pickwick & Co. on St. John's",
            "the sixties and m and m's of pickwick and company on saint john's",
        ),
        ("In May. 5 people, 100's of them, on Jan. 5", "in may five people hundreds of them on january fifth"),
        ("AT&T, R&D and Q&A", "a t and t r and d and q and a"),
        ("B-52s, MP3s and the 747s", "b fifty twos m p threes and the seven hundred forty sevens"),
        ("class of '05, 5'10\"", "class of oh five five ten"),
        ("5 mi, 15 sec and 9.58s", "five miles fifteen seconds and nine point five eight seconds"),
        ("account 4242", "account four two four two"),
        ("$5 million dollars", "five million dollars"),
        ("$1", "one dollar"),
        ("£2.5 million", "two point five million pounds"),
        ("20 €", "twenty euros"),
        ("$3.5bn and £20k", "three point five billion dollars and twenty thousand pounds"),
        ("USD 20", "twenty dollars"),
        ("100 m²", "one hundred square meters"),
        ("World War II", "world war two"),
        ("Henry VIII and I", "henry the eighth and i"),
        ("on March 3, 2024", "on march third twenty twenty four"),
        ("3 March", "the third of march"),
        ("May 5th", "may fifth"),
        ("May 5-7", "may five to seven"),
        ("31/12/2020 or 3/3/24", "december thirty first twenty twenty or march third twenty twenty four"),
        ("10.30am", "ten thirty a m"),
        ("open 24/7", "open twenty four seven"),
        ("the 1,000th", "the one thousandth"),
        ("+44 20 7946 0958", "plus four four two zero seven nine four six zero nine five eight"),
        ("30%", "thirty percent"),
        ("44.1 kHz", "forty four point one kilohertz"),
        ("10:05 p.m.", "ten oh five p m"),
        ("at 10:00", "at ten o'clock"),
        ("5pm", "five p m"),
        ("12/25/2020", "december twenty fifth twenty twenty"),
        ("2020-12-25", "december twenty fifth twenty twenty"),
        ("3-2-3", "three two three"),
        ("pages 3-5", "pages three to five"),
        ("800-555-1234", "eight zero zero five five five one two three four"),
        ("10.0.0.1", "ten dot zero dot zero dot one"),
        ("www.asterisk.org.", "w w w dot asterisk dot org"),
        ("mail joe@example.com", "mail joe at example dot com"),
        ("Mr. and Dr. O'Brien", "mister and doctor o'brien"),
        ("the PBX'S, DVD's and FBI'S", "the p b x's d v d's and f b i's"),
        ("MPs' and NGOs'", "m p's and n g o's"),
        ("IT'S true, LET'S go", "it's true let's go"),
        ("THE FBI'S AGENT SAID IT'S JOHN'S DVD'S", "the f b i's agent said it's john's d v d's"),
        ("the 1990's, OR THE 1990'S", "the nineteen nineties or the nineteen nineties"),
        ("the U.S.'s and a Ph.D.'s", "the u s's and a p h d's"),
        ("the PBX, IVRs and MGCP", "the p b x i v r's and m g c p"),
        ("IAX2", "i a x two"),
        ("U.S. law", "u s law"),
        ("do NOT press", "do not press"),
        ("PRESS ONE NOW PLEASE", "press one now please"),
        ("touch-tone and/or", "touch tone and or"),
        ("press # or *", "press pound or star"),
        ("Don’t", "don't"),
        ("'quoted'", "quoted"),
        ("CAFÉ", "café"),
        ("", ""),
        (" ... — ()", ""),
    ],
)
def test_english_readings(written, spoken):
    assert said(written) == spoken


def test_a_number_keeps_one_range_and_a_word_its_own():
    words = verbalise("dial 28.8 now", "en")
    assert [(word.text, word.char_start, word.char_end) for word in words] == [
        ("dial", 0, 4),
        *((part, 5, 9) for part in "twenty eight point eight".split()),
        ("now", 10, 13),
    ]


def test_ambiguous_numbers_offer_all_common_readings():
    (slot,) = slots("8500", "en")
    readings = {" ".join(reading) for reading in slot.readings}
    assert {"eighty five hundred", "eight thousand five hundred", "eight five zero zero"} <= readings


@pytest.mark.parametrize("code", ["en", "EN", "en-US", "en_GB"])
def test_a_region_does_not_hide_the_language(code):
    assert verbalise("one", code)[0].text == "one"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("nuqneH 5", "tlh"),
        ("kost 20 €", "nl"),
        ("50%", "sv"),
        ("你好", "zh"),
        ("สวัสดี", "th"),
        ("word", ""),
        ("word", "english"),
    ],
)
def test_an_unknown_language_is_named_where_rules_are_needed(text, code):
    with pytest.raises(RecordError, match=re.escape(f"{code!r}")) as caught:
        verbalise(text, code)
    assert caught.value.code == "unknown_language"


@pytest.mark.parametrize(
    ("text", "code", "spoken"),
    [
        ("Goedemorgen, hoe gaat het?", "nl", "goedemorgen hoe gaat het"),
        ("Não é fácil — d'água!", "pt-BR", "não é fácil d'água"),
        ("नमस्ते दुनिया", "hi", "नमस्ते दुनिया"),
        ("می‌خواهم", "fa", "میخواهم"),
        ("...", "pl", ""),
    ],
)
def test_a_language_without_rules_is_split_into_words_as_written(text, code, spoken):
    assert " ".join(word.text for word in verbalise(text, code)) == spoken


def test_every_language_table_resolves():
    for code in LANGUAGES:
        assert verbalise("1", code)


def readings(text: str, language: str = "en") -> list[list[str]]:
    return [[" ".join(reading) for reading in slot.readings] for slot in slots(text, language)]


def test_where_all_is_in_capitals_a_word_is_spelled_only_if_it_must_be():
    assert readings("HE SAID THE CAT SAT ON IT") == [[word] for word in "he said the cat sat on it".split()]
    assert readings("STOP HIM") == [["stop"], ["him"]]
    assert readings("THE FBI HAS TV") == [["the"], ["f b i", "fbi"], ["has"], ["t v", "tv"]]
    assert readings("CAT") == [["c a t", "cat"]]
    assert readings("STOP [noise] HIM") == [["stop"], ["", "noise"], ["him"]]
    assert readings("CAT 5")[0] == ["c a t", "cat"]
    assert readings("the CAT SAT") == [["the"], ["c a t", "cat"], ["s a t", "sat"]]


@pytest.mark.parametrize(
    ("text", "language"),
    [("EL GATO ES MUY BUENO", "es"), ("LE CHAT EST", "fr"), ("DIE KATZE IST DA", "de"), ("ОНА ТУТ", "ru")],
)
def test_so_it_is_in_other_languages(text, language):
    assert readings(text, language) == [[word.lower()] for word in text.split()]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("$0.50", "fifty cents"),
        ("$.75", "seventy five cents"),
        ("£0.01", "one penny"),
        ("$.5 million", "point five million dollars"),
        ("$0.00", "zero dollars"),
        ("US$5", "five u s dollars"),
        ("US$5.10", "five u s dollars and ten cents"),
        ("9/11", "nine eleven"),
        ("50/50", "fifty fifty"),
        ("20/20", "twenty twenty"),
        ("2/3", "two thirds"),
        ("No. 5", "number five"),
        ("No.5", "number five"),
        ("Vol. 2, fig. 3", "volume two figure three"),
        ("a fig. No. It", "a fig no it"),
        ("mr Smith, DR Jones, MR. Mrs and MRS", "mister smith doctor jones mister missus and missus"),
        ("MR SMITH SAW DR JONES", "mister smith saw doctor jones"),
    ],
)
def test_money_pairs_and_abbreviations(text, first):
    assert said(text) == first


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("3/4", "three fourths"),
        ("1/4", "a fourth"),
        ("1/3", "one third"),
        ("12/25", "twelve twenty five"),
        ("9/11", "nine elevenths"),
        ("0.5", "point five"),
        ("$0.50", "zero dollars and fifty cents"),
        ("DR", "d r"),
        ("no. 5", "no"),
    ],
)
def test_further_readings(text, reading):
    assert reading in readings(text)[0]


@pytest.mark.parametrize("language", ["en", "de", "sv"])
@pytest.mark.parametrize(
    ("tag", "rivals"),
    [
        ("[noise]", ["", "noise"]),
        ("{breath}", ["", "breath"]),
        ("<unk>", ["", "unk"]),
        ("[NON-SPEECH_2]", ["", "non speech"]),
        ("<i>", [""]),
        ("</i>", [""]),
    ],
)
def test_a_tag_is_not_spoken_unless_the_audio_has_it(language, tag, rivals):
    assert readings(f"so {tag}, la", language) == [["so"], rivals, ["la"]]


def test_what_is_no_tag_stays_spoken():
    assert said("<i>Hello</i> there") == "hello there"
    assert said("wor[d] [w]ord [two words] [1]") == "wor d w ord two words one"
    assert readings("[noise]") == [["", "noise"]]
