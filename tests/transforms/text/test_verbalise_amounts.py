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


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        ("en", "½ km", "half a kilometer"),
        ("en", "1/2 km", "half a kilometer"),
        ("en", "¾ km", "three quarters of a kilometer"),
        ("en", "½ oz", "half an ounce"),
        ("en", "1/2 hour", "half an hour"),
        ("en", "¾ cup", "three quarters of a cup"),
        ("en", "-½ km", "minus half a kilometer"),
        ("en", "½ million", "half a million"),
        ("en", "$½ million", "half a million dollars"),
        ("en", "2½ million", "two and a half million"),
        ("en", "2.5 million", "two point five million"),
        ("en", "2.5 million km", "two point five million kilometers"),
        ("en", "3 million", "three million"),
        ("en", "250 thousand kg", "two hundred fifty thousand kilograms"),
        ("de", "½ km", "ein halber kilometer"),
        ("de", "½ kg", "ein halbes kilogramm"),
        ("de", "½ t", "eine halbe tonne"),
        ("de", "¼ l", "ein viertel liter"),
        ("de", "½ Mio. km", "eine halbe million kilometer"),
        ("de", "2,5 Millionen km", "zwei komma fünf millionen kilometer"),
        ("de", "1 Million", "eine million"),
        ("es", "½ km", "medio kilómetro"),
        ("es", "1/2 h", "media hora"),
        ("es", "¾ l", "tres cuartos de litro"),
        ("es", "2,5 millones de km", "dos coma cinco millones de kilómetros"),
        ("es", "½ millón de €", "medio millón de euros"),
        ("es", "2½ millones de €", "dos millones y medio de euros"),
        ("es", "2½ h", "dos horas y media"),
        ("fr", "½ km", "un demi kilomètre"),
        ("fr", "2,5 millions de km", "deux virgule cinq millions de kilomètres"),
        ("fr", "3 milliards d'€", "trois milliards d'euros"),
        ("it", "½ km", "mezzo chilometro"),
        ("it", "¼ l", "un quarto di litro"),
        ("it", "2,5 mln di km", "due virgola cinque milioni di chilometri"),
        ("ru", "½ км", "половина километра"),
        ("ru", "1½ тыс.", "полторы тысячи"),
        ("ru", "2 тысячи", "две тысячи"),
        ("ru", "5 млн км", "пять миллионов километров"),
        ("ru", "2,5 млн км", "две целых пять десятых миллиона километров"),
    ],
)
def test_a_scale_and_a_unit_belong_to_their_quantity(language, written, spoken):
    (slot,) = slots(written, language)
    assert (slot.char_start, slot.char_end) == (0, len(written))
    assert " ".join(slot.readings[0]) == spoken


def test_a_scale_takes_no_word_behind_it():
    assert [len(slots(text, "es")) for text in ("3 millones de metros", "3 mil de", "3 milésimas")] == [3, 2, 2]
    assert said("3 millionth 5 b", "en") == "three millionth five b"


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        ("en", "$-5", "minus five dollars"),
        ("en", "$-5.50", "minus five dollars and fifty cents"),
        ("en", "$-2.5 million", "minus two point five million dollars"),
        ("en", "€−5,50", "minus five euros and fifty cents"),
        ("en", "+5 °C", "plus five degrees celsius"),
        ("en", "+$5", "plus five dollars"),
        ("de", "€ -5", "minus fünf euro"),
        ("de", "+5 °C", "plus fünf grad celsius"),
        ("es", "$-5,50", "menos cinco dólares con cincuenta"),
        ("fr", "+5%", "plus cinq pour cent"),
        ("it", "+5 °C", "più cinque gradi celsius"),
        ("it", "-5°", "meno cinque gradi"),
        ("ru", "+5 °C", "плюс пять градусов цельсия"),
        ("ru", "$-5", "минус пять долларов"),
    ],
)
def test_a_sign_belongs_to_its_amount_on_either_side_of_a_currency(language, written, spoken):
    (slot,) = slots(written, language)
    assert (slot.char_start, slot.char_end) == (0, len(written))
    assert " ".join(slot.readings[0]) == spoken


def test_a_plus_between_two_is_a_word_of_its_own():
    assert [len(slots(text, "en")) for text in ("5 + 5", "5+5", "x+5")] == [3, 3, 3]


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        ("en", "10⁴", "ten to the fourth"),
        ("en", "10⁻⁶ m", "ten to the minus six meters"),
        ("en", "10²", "ten squared"),
        ("en", "9.8 m/s²", "nine point eight meters per second squared"),
        ("en", "5 m⁴", "five meters to the fourth"),
        ("en", "5 m²", "five square meters"),
        ("en", "10¹²", "ten to the twelfth"),
        ("de", "10⁻⁶", "zehn hoch minus sechs"),
        ("es", "10⁴", "diez a la cuarta"),
        ("es", "10⁻⁶", "diez elevado a menos seis"),
        ("fr", "10⁴", "dix puissance quatre"),
        ("it", "10⁴", "dieci alla quarta"),
        ("it", "10⁻⁶", "dieci alla meno sei"),
        ("ru", "10⁴", "десять в четвёртой степени"),
        ("ru", "10⁻⁶", "десять в минус шестой степени"),
    ],
)
def test_a_raised_number_is_the_power_of_what_it_stands_behind(language, written, spoken):
    (slot,) = slots(written, language)
    assert (slot.char_start, slot.char_end) == (0, len(written))
    assert " ".join(slot.readings[0]) == spoken


@pytest.mark.parametrize("language", ["en", "de", "es", "fr", "it", "ru"])
def test_a_raised_number_behind_a_word_is_that_of_a_note(language):
    assert len(verbalise("x⁵", language)) > 1
    assert len(verbalise("so⁵ sehr⁴.⁷", language)) == 2


def test_a_number_and_a_fraction_may_be_two():
    (slot,) = slots("3 1/2", "en")
    assert ("three", "one", "half") in slot.readings
