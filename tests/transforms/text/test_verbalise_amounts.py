"""A number or an amount is one slot, however it is written, so that no switch can fall inside."""

import pytest

from transforms.text.verbalise import slots, verbalise


def said(text: str, language: str) -> str:
    return " ".join(word.text for word in verbalise(text, language))


@pytest.mark.parametrize("blank", [" ", "\u00a0", "\u2009", "\u202f"])
@pytest.mark.parametrize(
    ("language", "spoken"),
    [
        ("es", "diez mil"),
        ("fr", "dix mille"),
        ("de", "zehntausend"),
        ("it", "diecimila"),
        ("ru", "десять тысяч"),
    ],
)
def test_blanks_of_every_width_part_thousands(language, spoken, blank):
    (slot,) = slots(f"10{blank}000", language)
    assert " ".join(slot.readings[0]) == spoken
    assert len(slots(f"10{blank}000{blank}km", language)) == 1
    assert len(slots(f"10{blank}000{blank}€", language)) == 1


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        ("en", "CO₂ and H₂O", "c o two and h two o"),
        ("de", "CO₂", "ce o zwei"),
        ("fr", "CO₂", "cé o deux"),
        ("en", "x₁₀", "x ten"),
    ],
)
def test_subscripts_are_read_as_digits(language, written, spoken):
    assert said(written, language) == spoken


@pytest.mark.parametrize("minus", ["-", "\u2212"])
@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        ("en", "5 °C", "minus five degrees celsius"),
        ("en", "5", "minus five"),
        ("en", "$5.50", "minus five dollars and fifty cents"),
        ("en", ".5", "minus point five"),
        ("de", "5,50 €", "minus fünf euro fünfzig"),
        ("fr", "5 °C", "moins cinq degrés celsius"),
        ("es", "€ 5", "menos cinco euros"),
    ],
)
def test_a_minus_is_one_with_its_number(language, written, spoken, minus):
    (slot,) = slots(minus + written, language)
    assert (slot.char_start, slot.char_end) == (0, len(written) + 1)
    assert " ".join(slot.readings[0]) == spoken
    assert all(len(reading) > 1 for reading in slot.readings)


def test_a_minus_that_is_none_parts():
    assert said("pages 5-10", "en") == "pages five to ten"
    assert len(slots("5-10", "en")) == 3
    assert said("x-5", "en") == "x five"
    assert {reading[0] for slot in slots("-5", "en") for reading in slot.readings} == {"minus", "negative"}


@pytest.mark.parametrize("blank", [" ", "\u00a0", "\u2009", "\u202f"])
@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("10_000", "ten thousand"),
        ("1_234_567.5", "one million two hundred thirty four thousand five hundred sixty seven point five"),
        ("€10_000", "ten thousand euros"),
        ("5_500 km", "five thousand five hundred kilometers"),
        ("-20_000 £", "minus twenty thousand pounds"),
    ],
)
def test_blanks_part_thousands_in_english(written, spoken, blank):
    (slot,) = slots(written.replace("_", blank), "en")
    assert " ".join(slot.readings[0]) == spoken


def test_groups_of_digits_that_are_no_thousands_stay_apart():
    assert [len(slots(text, "en")) for text in ("1 800 555 1234", "555 12", "1984 500", "12 345 67")] == [4, 2, 2, 3]
    assert said("the 10\u202f000th and the 5 100th", "en") == "the ten thousandth and the five one hundredth"
    assert said("5 800-555-1234", "en") == "five eight zero zero five five five one two three four"
    assert said("dial 555 123", "en") == "dial five five five one two three"
    assert said("101 102", "en") == "one hundred one one hundred two"
    assert said("250 000", "en") == "two hundred fifty thousand"
    (slot,) = slots("5 500", "en")
    assert ("five", "five", "hundred") in slot.readings
    (slot,) = slots("5\u00a0500", "en")
    assert ("five", "five", "hundred") not in slot.readings


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("5,50 €", "five euros and fifty cents"),
        ("€5,50", "five euros and fifty cents"),
        ("€5.50", "five euros and fifty cents"),
        ("1.234,50 €", "one thousand two hundred thirty four euros and fifty cents"),
        ("1\u202f234,50\u00a0€", "one thousand two hundred thirty four euros and fifty cents"),
        ("€2,5 million", "two point five million euros"),
        ("-1,5 km", "minus one point five kilometers"),
        ("5,500 €", "five thousand five hundred euros"),
    ],
)
def test_a_comma_may_be_the_decimal_sign_of_an_english_amount(written, spoken):
    (slot,) = slots(written, "en")
    assert " ".join(slot.readings[0]) == spoken


def test_commas_of_lists_stay():
    assert said("press 1,2,3 or 5,50", "en") == "press one two three or five fifty"
    assert said("1,2,3 km", "en") == "one two three kilometers"


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        ("en", "2½", "two and a half"),
        ("en", "2 ½", "two and a half"),
        ("en", "3 1/2", "three and a half"),
        ("en", "3\u00a01/2", "three and a half"),
        ("en", "3-1/2", "three and a half"),
        ("en", "3 1⁄2", "three and a half"),
        ("en", "10 3/4", "ten and three quarters"),
        ("en", "1⅓", "one and a third"),
        ("en", "1⅔", "one and two thirds"),
        ("en", "2½ km", "two and a half kilometers"),
        ("en", "-2½ °C", "minus two and a half degrees celsius"),
        ("en", "2½ m", "two and a half meters"),
        ("en", "£2½m", "two and a half million pounds"),
        ("en", "-½", "minus one half"),
        ("de", "-½", "minus ein halb"),
        ("en", "3½%", "three and a half percent"),
        ("en", "$2½ million", "two and a half million dollars"),
        ("en", "2½ €", "two and a half euros"),
        ("es", "2½", "dos y medio"),
        ("es", "3 1/2", "tres y medio"),
        ("es", "2½ km", "dos kilómetros y medio"),
        ("fr", "3 3/4", "trois et trois quarts"),
        ("fr", "1½ km", "un kilomètre et demi"),
        ("it", "2½", "due e mezzo"),
        ("it", "€ 2½", "due euro e mezzo"),
        ("de", "2½", "zweieinhalb"),
        ("de", "1½ km", "eineinhalb kilometer"),
        ("de", "3¾", "dreidreiviertel"),
        ("de", "21¼ t", "einundzwanzigeinviertel tonnen"),
        ("ru", "2½ км", "два с половиной километра"),
        ("ru", "1½", "полтора"),
    ],
)
def test_a_whole_with_its_fraction_is_one_number(language, written, spoken):
    (slot,) = slots(written, language)
    assert (slot.char_start, slot.char_end) == (0, len(written))
    assert " ".join(slot.readings[0]) == spoken


@pytest.mark.parametrize("language", ["en", "es", "fr", "de", "it", "ru"])
@pytest.mark.parametrize("fraction", "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒")
def test_every_fraction_is_said_by_itself_and_behind_a_number(language, fraction):
    for written in (fraction, f"21{fraction}", f"1{fraction} km", f"cup{fraction}"):
        *_, slot = slots(written, language)
        assert slot.char_end == len(written)
        assert all(slot.readings)
    assert len(slots(f"21{fraction}", language)) == 1


@pytest.mark.parametrize("written", ["9/11", "1 24/7", "2 4/3", "2 0/4", "2020 1/2", "5 1/2/2024", "2 3/7"])
def test_what_only_looks_like_a_fraction_stays_apart(written):
    parts = slots(written, "en")
    assert len(parts) == len(written.split())


def test_a_number_and_a_fraction_may_be_two():
    (slot,) = slots("3 1/2", "en")
    assert ("three", "one", "half") in slot.readings
