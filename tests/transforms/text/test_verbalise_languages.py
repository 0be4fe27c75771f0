"""Spanish, French, German, Italian and Russian: laws on generated texts, and rival readings."""

import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transforms.text.verbalise import LANGUAGES, slots, speak, verbalise

CODES = st.sampled_from(sorted(LANGUAGES))
NUMBERS = st.one_of(
    st.integers(0, 10**17).map(str),
    st.integers(0, 10**9).map(lambda n: f"{n:,}"),
    st.integers(0, 10**9).map(lambda n: f"{n:,}".replace(",", ".")),
    st.integers(0, 10**7).map(lambda n: f"{n:,}".replace(",", " ")),
    st.tuples(st.integers(0, 9999), st.integers(0, 9999)).map(lambda n: f"{n[0]},{n[1]}"),
    st.tuples(st.integers(0, 99), st.integers(0, 99)).map(lambda n: f"{n[0]:02}:{n[1]:02}"),
    st.tuples(st.integers(0, 40), st.integers(0, 13), st.integers(0, 9999)).map(lambda n: "/".join(map(str, n))),
    st.tuples(st.integers(0, 40), st.integers(0, 13), st.integers(0, 9999)).map(lambda n: ".".join(map(str, n))),
    st.lists(st.integers(0, 999), min_size=2, max_size=5).map(lambda n: "-".join(map(str, n))),
)
GLUE = st.sampled_from(
    "€ $ £ ₽ % ° °C km kg h Uhr º ª er e ème . .-й -я -го г. году mai Mai March marzo марта mil Mio. млн. руб. / - – + "
    "½ ⁴ ⁻⁶ ᵉ #MeToo2 * x l'ADN DVDs PBX'S 1m80 5€50 Dr st- str. p. S. /kg pro por hora Stunde "
    "euros Euro рублей вв. -летний #¼ "
    "# № & @ www. .es .ru XX I IVe век ¼ ⅔ ₂ ⁄ − ² ' ’ d'un l'ONU DVD z. B. т. е. Sr. M. ul \u00a0 \u202f , ; ( ) é ß "
    "İ ё 日本 ٣".split(" ")
)
TEXTS = st.one_of(
    st.text(max_size=40),
    st.lists(st.one_of(NUMBERS, GLUE, st.text(max_size=6)), max_size=8).flatmap(
        lambda parts: st.sampled_from([" ", ""]).map(lambda by: by.join(parts))
    ),
)


@given(TEXTS, CODES)
@example("12.345.678,90 €", "de")
@example("1 234 567,8 км/ч", "ru")
def test_the_text_as_written_comes_back_and_no_number_is_cut(text, code):
    parts = slots(text, code)
    position, rebuilt = 0, ""
    for slot in parts:
        assert position <= slot.char_start < slot.char_end <= len(text)
        rebuilt += text[position : slot.char_start] + text[slot.char_start : slot.char_end]
        position = slot.char_end
    assert rebuilt + text[position:] == text
    inside = {place for slot in parts for place in range(slot.char_start, slot.char_end)}
    starts = {slot.char_start for slot in parts}
    for run in re.finditer(r"\d+", text):
        assert inside.issuperset(range(run.start(), run.end()))
        assert not starts & set(range(run.start() + 1, run.end()))


@given(TEXTS, CODES)
def test_every_word_of_every_reading_is_letters(text, code):
    for slot in slots(text, code):
        assert slot.readings
        for reading in slot.readings:
            for word in reading:
                assert word == word.lower()
                assert re.fullmatch(r"'?[^\W\d_]+(?:'[^\W\d_]+)*'?", word), (slot, word)


@given(TEXTS, CODES)
def test_spoken_words_map_back_to_their_slots(text, code):
    words = verbalise(text, code)
    assert words == speak(slots(text, code))
    ranges = [(word.char_start, word.char_end) for word in words]
    for (start, end), (following, _) in pairwise(ranges):
        assert following >= end or following == start


def test_a_time_ends_where_it_is_written():
    assert [slot.char_end for slot in slots("à 8 h du", "fr")] == [1, 5, 8]


@given(st.integers(0, 10**14), CODES)
def test_a_number_is_said_by_some_word(number, code):
    (slot,) = slots(str(number), code)
    assert (slot.char_start, slot.char_end) == (0, len(str(number)))
    assert all(slot.readings)


@given(st.integers(0, 23), st.integers(0, 59), CODES)
def test_a_time_is_one_slot(hour, minute, code):
    (slot,) = slots(f"{hour}:{minute:02}", code)
    assert all(slot.readings)


@given(st.integers(1, 28), st.integers(1, 12), st.integers(1000, 2999), CODES)
def test_a_date_is_one_slot(day, month, year, code):
    (slot,) = slots(f"{year}-{month:02}-{day:02}", code)
    assert len(slot.readings[0]) >= 3


@pytest.mark.parametrize(
    ("code", "written", "rival"),
    [
        ("es", "200", "doscientas"),
        ("es", "10:45", "once menos cuarto"),
        ("fr", "91", "nonante et un"),
        ("fr", "1984", "dix neuf cent quatre vingt quatre"),
        ("fr", "12:30", "midi et demi"),
        ("de", "1", "einem"),
        ("de", "14:30", "halb drei"),
        ("it", "10:30", "dieci e mezza"),
        ("it", "1", "una"),
        ("ru", "21", "двадцать одну"),
        ("ru", "40", "сорока"),
        ("ru", "10:30", "половина одиннадцатого"),
        ("es", "12 345", "doce trescientos cuarenta y cinco"),
    ],
)
def test_the_audio_may_choose_gender_case_and_region(code, written, rival):
    (slot,) = slots(written, code)
    assert rival in {" ".join(reading) for reading in slot.readings}


@pytest.mark.parametrize("code", ["es-419", "FR", "de_AT", "it-CH", "ru-RU"])
def test_regions_resolve_to_their_language(code):
    assert verbalise("7", code) == verbalise("7", code[:2].lower())


INVISIBLE = st.text(st.sampled_from("\u00ad\u200b\u200c\u200d\u2060\ufeff"), max_size=2)


@given(CODES, TEXTS, st.data())
def test_what_is_invisible_changes_no_word_and_its_place_is_counted(code, text, data):
    marks = [data.draw(INVISIBLE) for _ in text]
    sown = "".join(mark + char for mark, char in zip(marks, text, strict=True))
    before, after = slots(text, code), slots(sown, code)
    assert [slot.readings for slot in after] == [slot.readings for slot in before]
    places = [sum(map(len, marks[: place + 1])) + place for place in range(len(text))]
    assert [(slot.char_start, slot.char_end) for slot in after] == [
        (places[slot.char_start], places[slot.char_end - 1] + 1) for slot in before
    ]


class Counted(str):
    """A text that counts the characters that are copied out of it."""

    copied = 0

    def translate(self, table, /):
        return Counted(super().translate(table))

    def __getitem__(self, key, /):
        part = super().__getitem__(key)
        Counted.copied += len(part)
        return part


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("en", "And I saw World War II on 3 May, in March 3, 10⁻⁶ m, 3-5 and -5. Dr. No. "),
        ("es", "El 3 de mayo Carlos V vio 25 años, 10⁻⁶ m, 1º, p. 5, -5, 3-5, la ONU. "),
        ("fr", "Le 3 mai Louis XIV a vu 25 ans, 10⁻⁶ m, 1er, p. 5, M. Petit, -5, 3-5. "),
        ("de", "Am 3. Mai sah Karl V. 1 Kind, am 4.7. den 2. Weltkrieg, 10⁻⁶ m, S. 5, -5. "),
        ("it", "Il 3 maggio Carlo V vide 1 persona, 10⁻⁶ m, 1º, p. 5, dott. Rossi, -5. "),
        ("ru", "Он видел 5 марта XX век, в 1984 г. Пётр I, после 1945. 10⁻⁶ м, 1-й, стр. 5, -5. "),
    ],
)
def test_four_times_the_text_costs_four_times_as_much(code, text):
    def copied(times: int) -> int:
        Counted.copied = 0
        found = slots(Counted(text * times), code)
        assert len(found) > 10 * times
        return Counted.copied

    assert copied(40) <= 4.2 * copied(10)
