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
