import pytest

from transforms.align.gate import GateConfig
from transforms.align.gate_tests import usual_letters_per_s
from transforms.text.language_codes import base_language
from transforms.text.verbalise import LANGUAGES, slots


@pytest.mark.parametrize(
    ("written", "code"),
    [
        *zip("eng spa fra fre deu ger ita rus".split(), "en es fr fr de de it ru".split(), strict=True),
        *zip("nld dut zho chi fas per ces cze por".split(), "nl nl zh zh fa fa cs cs pt".split(), strict=True),
        *zip(["en-US", "en_GB", " EN ", "ENG-us", "haw", "xx"], ["en", "en", "en", "en", "haw", "xx"], strict=True),
    ],
)
def test_a_language_has_one_code(written, code):
    assert base_language(written) == base_language(base_language(written)) == code


@pytest.mark.parametrize("three", ["eng", "spa", "fre", "fra", "deu", "ger", "ita", "rus"])
def test_a_language_is_read_and_judged_alike_under_each_of_its_codes(three):
    code = base_language(three)
    assert code in LANGUAGES
    assert slots("A 5 km, 10 %", three) == slots("A 5 km, 10 %", code)
    limits = GateConfig(letters_per_s={three: 9.0})
    assert usual_letters_per_s(limits, code) == usual_letters_per_s(limits, three) == 9.0
