"""Word times from files: every format, the matching of words, and what is refused."""

import json
from contextlib import suppress
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from schemas.errors import RecordError, UserError
from schemas.records import AlignedWord, SourceRow
from transforms.align.given import GivenConfig, checked
from transforms.align.given_formats import GivenWord, samples
from transforms.align.given_match import match
from transforms.align.given_textgrid import read_textgrid, seconds, write_textgrid
from transforms.text.verbalise import slots

SHORT_TEXTGRID = """File type = "ooTextFile"
"TextGrid"

0
1
<exists>
2
"IntervalTier"
"phones"
0
1
1
0
1
"ah"
"IntervalTier"
"words"
0
1
4
0
0.1
""
0.1
0.45
"hello"
0.45
0.5
"sp"
0.5
1
"world"
"""
HELLO = [("hello", 1600, 7200), ("world", 8000, 16000)]
SECOND = np.zeros(16_000, np.float32)


def row(utterance_id: str, text: str, language: str = "en") -> SourceRow:
    return SourceRow(utterance_id, f"{utterance_id}.wav", text, language=language)


def aligned(path, utterance_id="a", text="Hello, world!", **config):
    aligner = GivenConfig(path=str(path), **config).load()
    alignment = aligner.align_row(row(utterance_id, text), SECOND)
    return [(word.text, word.start_sample, word.end_sample) for word in alignment.words]


def code_of(path, utterance_id="a", text="Hello, world!", **config):
    with pytest.raises(RecordError) as caught:
        aligned(path, utterance_id, text, **config)
    return caught.value.code, caught.value.detail


def encoded(text, encoding):
    marks = {"utf-16-le-bom": b"\xff\xfe", "utf-16-be-bom": b"\xfe\xff"}
    return marks.get(encoding, b"") + text.encode(encoding.removesuffix("-bom"))


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom", "utf-16-be-bom"]
JSON_WORDS = '"words": [{"word": "héllo", "start": 0.1, "end": 0.45}, {"word": "world", "start": 0.5, "end": 1}]'
OF_ONE = {"a.TextGrid": SHORT_TEXTGRID.replace("hello", "héllo"), "a.json": f"{{{JSON_WORDS}}}"}
OF_MANY = {
    "all.ctm": "a 1 0.1 0.35 héllo\na 1 0.5 0.5 world\nb 1 0 1 x\n",
    "all.jsonl": f'{{"id": "a", {JSON_WORDS}}}\n{{"id": "b", "words": []}}\n',
    "84-1.alignment.txt": 'a ",héllo,,world" "0.1,0.45,0.5,1"\nb "x" "1"\n',
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", OF_ONE)
def test_a_file_of_one_utterance_in_any_encoding(tmp_path, name, encoding):
    (tmp_path / name).write_bytes(encoded(OF_ONE[name], encoding))
    assert aligned(tmp_path, text="Héllo, world!") == [("héllo", 1600, 7200), ("world", 8000, 16000)]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", OF_MANY)
def test_a_file_of_many_utterances_is_utf_8_with_or_without_a_mark(tmp_path, name, encoding):
    (tmp_path / name).write_bytes(encoded(OF_MANY[name], encoding))
    if encoding.startswith("utf-8"):
        assert aligned(tmp_path, text="Héllo, world!") == [("héllo", 1600, 7200), ("world", 8000, 16000)]
    else:
        with pytest.raises(UserError, match=rf"{name} is UTF-16 text"):
            GivenConfig(path=str(tmp_path)).load()


NASTY = st.sampled_from(
    [b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"[" * 5000, b"1e999", b"-nan", b'"', b"{", b"null", b"\n"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.sampled_from(sorted(OF_ONE | OF_MANY)), st.data())
def test_damage_drops_a_record_or_is_the_users_mistake(tmp_path, name, data):
    content = (OF_ONE | OF_MANY)[name].encode()
    for _ in range(data.draw(st.integers(1, 3))):
        start, length = data.draw(st.integers(0, len(content))), data.draw(st.integers(0, 12))
        content = content[:start] + data.draw(st.one_of(NASTY, st.binary(max_size=6))) + content[start + length :]
    (folder := tmp_path / name).mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    with suppress(RecordError, UserError):
        assert len(aligned(folder, text="Héllo, world!")) == 2


def test_a_damaged_json_line_names_no_utterance_and_costs_no_other(tmp_path):
    damaged = ["[" * 100_000, '{"id": "c", "words"', '{"id": "\\ud800"}', "1" * 5000]
    (tmp_path / "all.jsonl").write_text("\n".join([*damaged, OF_MANY["all.jsonl"]]))
    assert aligned(tmp_path, text="Héllo, world!")
    assert code_of(tmp_path, "c")[0] == "no_alignment_given"
    (tmp_path / "all.jsonl").write_text("\n".join(damaged[:2]))
    with pytest.raises(UserError, match=r"all\.jsonl holds no line of JSON"):
        aligned(tmp_path)


def test_a_long_textgrid_below_a_folder_by_path_and_by_name(tmp_path):
    (tmp_path / "84" / "121").mkdir(parents=True)
    words = [AlignedWord(text, start, end, 0.0, 0, 1) for text, start, end in HELLO]
    (tmp_path / "84" / "121" / "84-121-0.TextGrid").write_text(write_textgrid(words, num_samples=16_000))
    assert aligned(tmp_path, "84-121-0") == aligned(tmp_path, "84/121/84-121-0") == HELLO
    assert aligned(tmp_path / "*" / "*" / "*.TextGrid", "84-121-0") == HELLO


def test_a_ctm_of_many_utterances(tmp_path):
    (tmp_path / "all.ctm").write_text(
        ";; comment\nb 1 0.0 0.3 other 0.5\na 1 0.1 0.35 HELLO 0.75\n"
        "a 1 0.45 0.05 <eps>\na 1 0.5 0.5 world\nc 1 0 1 x\n"
    )
    aligner = GivenConfig(path=str(tmp_path / "all.ctm")).load()
    words = aligner.align_row(row("a", "Hello world"), SECOND).words
    assert [(word.text, word.start_sample, word.end_sample, word.score) for word in words] == [
        ("hello", 1600, 7200, 0.75),
        ("world", 8000, 16000, 1.0),
    ]


def test_an_utterance_may_lie_in_two_runs_of_a_ctm(tmp_path):
    (tmp_path / "all.ctm").write_text("a 1 0.1 0.35 hello\nb 1 0 1 x\na 1 0.5 0.5 world\n")
    assert aligned(tmp_path) == HELLO


def test_a_ctm_of_two_channels_is_two_speakers(tmp_path):
    """Only one of them may have words."""
    file = tmp_path / "all.ctm"
    file.write_text("a A 0.1 0.35 hello\na B 0.2 0.2 <eps>\na A 0.5 0.5 world\n")
    assert aligned(tmp_path) == HELLO
    file.write_text("a A 0.1 0.35 hello\na B 0.5 0.5 world\n")
    with pytest.raises(RecordError, match="channels A and B") as caught:
        aligned(tmp_path)
    assert caught.value.code == "given_ambiguous"


def test_librispeech_alignments_lines(tmp_path):
    line = 'a ",HELLO,,WORLD," "0.100,0.450,0.500,1.000,1.000"\n'
    (tmp_path / "84-1.alignment.txt").write_text('z "X" "1.0"\n' + line)
    assert aligned(tmp_path) == HELLO


WORDS_S = [{"word": "Hello,", "start": 0.1, "end": 0.45}, {"word": "world!", "start": 0.5, "end": 1}]
WORDS_SAMPLES = [{"text": text, "start_sample": start, "end_sample": end} for text, start, end in HELLO]


MFA = {"start": 0, "end": 1, "tiers": {
    "words": {"type": "interval", "entries": [[0, 0.1, ""], [0.1, 0.45, "hello"], [0.5, 1.0, "world"]]},
    "phones": {"type": "interval", "entries": [[0.1, 0.45, "HH"]]},
}}  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [
        MFA,
        {"segments": [{"words": WORDS_S[:1]}, {"words": WORDS_S[1:]}]},
        {"word_segments": WORDS_S},
        {"words": WORDS_SAMPLES},
        WORDS_S,
    ],
)
def test_json_of_whisperx_and_ours(tmp_path, value):
    (tmp_path / "a.json").write_text(json.dumps(value))
    assert aligned(tmp_path) == HELLO


def test_the_tier_of_mfas_json_may_be_named(tmp_path):
    value = {"tiers": {"anna": MFA["tiers"]["words"], "phones": MFA["tiers"]["phones"]}}
    (tmp_path / "a.json").write_text(json.dumps(value))
    assert aligned(tmp_path, tier="anna") == HELLO
    assert code_of(tmp_path) == (
        "given_unreadable",
        "the JSON has no tier of words; name it as align.tier (there are: anna, phones)",
    )


def test_json_lines(tmp_path):
    words = [{"word": text, "start": start / 16000, "end": end / 16000} for text, start, end in HELLO]
    lines = [{"id": "b", "words": []}, {"utterance_id": "a", "words": words}]
    (tmp_path / "all.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert aligned(tmp_path) == HELLO


def test_a_number_takes_the_reading_of_the_file_or_shares_the_time_of_its_digits(tmp_path):
    (tmp_path / "a.ctm").write_text("a 1 0.0 0.2 in\na 1 0.2 0.2 NINETEEN\na 1 0.4 0.2 eighty-\na 1 0.6 0.2 four\n")
    assert [word[0] for word in aligned(tmp_path, text="in 1984")] == ["in", "nineteen", "eighty", "four"]
    (tmp_path / "a.ctm").write_text("a 1 0 0.5 dial\na 1 0.5 0.1 ONE\na 1 0.6 0.1 TWO\n")
    assert [word[0] for word in aligned(tmp_path, text="dial 12")] == ["dial", "one", "two"]
    (tmp_path / "a.ctm").write_text("a 1 0.0 0.5 dial\na 1 0.5 0.5 21\n")
    assert aligned(tmp_path, text="dial 21") == [("dial", 0, 8000), ("twenty", 8000, 13333), ("one", 13333, 16000)]


def test_letters_by_themselves_are_told_from_a_word_of_them(tmp_path):
    (tmp_path / "a.ctm").write_text("a 1 0 0.1 iax\n")
    assert aligned(tmp_path, text="IAX") == [("iax", 0, 1600)]
    (tmp_path / "a.ctm").write_text("a 1 0 0.1 i\na 1 0.1 0.1 a\na 1 0.2 0.1 x\n")
    assert aligned(tmp_path, text="IAX") == [("i", 0, 1600), ("a", 1600, 3200), ("x", 3200, 4800)]


def test_words_may_be_cut_otherwise_in_the_file(tmp_path):
    (tmp_path / "a.ctm").write_text("a 1 0 0.4 touch-tone\na 1 0.4 0.2 don\na 1 0.6 0.2 't\na 1 0.8 0.2 <unk>\n")
    assert aligned(tmp_path, text="Touch-tone don’t Xyzzy") == [
        ("touch", 0, 3556),
        ("tone", 3556, 6400),
        ("don't", 6400, 12800),
        ("xyzzy", 12800, 16000),
    ]


def test_a_mismatch_names_the_first_word_that_differs(tmp_path):
    (tmp_path / "a.ctm").write_text("a 1 0.1 0.3 hello\na 1 0.5 0.5 word\n")
    code, detail = code_of(tmp_path)
    assert code == "given_mismatch"
    assert "'word' as word 2" in detail
    assert "'world'" in detail
    (tmp_path / "a.ctm").write_text("a 1 0.1 0.3 hello\n")
    assert "ends after 1 words" in code_of(tmp_path)[1]
    (tmp_path / "a.ctm").write_text("a 1 0 0.1 hello\na 1 0.1 0.1 world\na 1 0.2 0.1 again\n")
    assert "'again' as word 3" in code_of(tmp_path)[1]


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.TextGrid", "hello", "given_unreadable"),
        ("a.TextGrid", SHORT_TEXTGRID[:-30], "given_unreadable"),
        ("a.TextGrid", SHORT_TEXTGRID.replace('"words"', '"other"'), "given_unreadable"),
        ("a.json", "{", "given_unreadable"),
        ("a.json", '{"text": "hello"}', "given_unreadable"),
        ("a.json", '{"words": [{"word": "hello"}]}', "given_incomplete"),
        ("a.json", '{"words": [{"word": "hello", "start": "x", "end": 1}]}', "given_unreadable"),
        ("a.json", '{"words": [{"word": "hello", "start": NaN, "end": 1}]}', "given_unreadable"),
        ("a.json", '{"words": [{"word": "hello", "start": 0, "end": Infinity}]}', "given_unreadable"),
        ("a.json", '{"words": [{"word": "hello", "start": 0, "end": 1, "score": 1e400}]}', "given_unreadable"),
        ("a.json", '{"words": [{"word": "hello", "start": 0, "end": 1, "score": 1e300}]}', "given_unreadable"),
        ("a.json", '{"words": [{"word": "hello", "start": 1' + "0" * 400 + ', "end": 1}]}', "given_unreadable"),
        ("a.json", '{"words": [{"word": "hello", "start": 1' + "0" * 5000 + ', "end": 1}]}', "given_unreadable"),
        ("a.json", '{"segments": [{"words": null}]}', "given_unreadable"),
        ("a.json", '{"segments": ["x"]}', "given_unreadable"),
        ("a.json", '{"segments": null}', "given_unreadable"),
        ("a.json", '{"tiers": {}}', "given_unreadable"),
        ("a.json", '{"tiers": {"words": [1]}}', "given_unreadable"),
        ("a.json", '{"tiers": {"words": {"entries": [[0, 1]]}}}', "given_unreadable"),
        ("a.json", '{"tiers": {"words": {"entries": [[0, NaN, "hello"]]}}}', "given_unreadable"),
        ("a.json", "[" * 100_000, "given_unreadable"),
        ("a.TextGrid", SHORT_TEXTGRID.replace("0.45", "1e999"), "given_unreadable"),
        ("a.TextGrid", SHORT_TEXTGRID.replace("0.45", "1e305"), "given_unreadable"),
        ("a.alignment.txt", 'a "HELLO,WORLD" "0.5,nan"\n', "given_unreadable"),
        ("a.ctm", "a 1 nan 0.3 hello\n", "given_unreadable"),
        ("a.ctm", "a 1 0.1 inf hello\n", "given_unreadable"),
        ("a.ctm", "a 1 0.1 0.3 hello nan\n", "given_unreadable"),
        ("a.ctm", "a 1 x 0.3 hello\n", "given_unreadable"),
        ("a.ctm", "a 1 0.5 0.4 hello\na 1 0.1 0.2 world\n", "given_disordered"),
        ("a.ctm", "a 1 0.5 -0.4 hello\na 1 0.6 0.2 world\n", "given_disordered"),
        ("a.ctm", "a 1 0.5 0.1 hello\na 1 0.6 0.8 world\n", "given_outside_audio"),
        ("a.alignment.txt", 'a "HELLO,WORLD" "0.5"\n', "given_unreadable"),
        ("b.TextGrid", SHORT_TEXTGRID, "no_alignment_given"),
    ],
)
def test_what_cannot_be_used_is_a_record_error(tmp_path, name, content, code):
    (tmp_path / name).write_text(content)
    assert code_of(tmp_path)[0] == code


def test_two_files_for_one_utterance_are_refused(tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.TextGrid").write_text(SHORT_TEXTGRID)
    assert code_of(tmp_path)[0] == "given_ambiguous"
    assert aligned(tmp_path, "x/a") == HELLO
    (tmp_path / "a.TextGrid").write_text(SHORT_TEXTGRID.replace("0.45", "0.4"))
    assert aligned(tmp_path)[0] == ("hello", 1600, 6400)


def test_no_id_leads_out_of_the_folder(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "b.TextGrid").write_text(SHORT_TEXTGRID)
    (tmp_path / "a.TextGrid").write_text(SHORT_TEXTGRID)
    assert code_of(tmp_path / "in", "../a")[0] == "no_alignment_given"


def test_nothing_at_the_path_is_the_users_mistake(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "*.ctm"):
        with pytest.raises(UserError, match=r"align\.path"):
            GivenConfig(path=str(path)).load()


def test_the_fingerprint_follows_the_files_contents_not_their_place(tmp_path):
    prints = []
    moved = SHORT_TEXTGRID.replace("0.45", "0.46")
    for folder, text in (("one", SHORT_TEXTGRID), ("two", SHORT_TEXTGRID), ("three", moved)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.TextGrid").write_text(text)
        prints.append(GivenConfig(path=str(tmp_path / folder)).fingerprint)
    assert prints[0] == prints[1] != prints[2]


def test_small_overlaps_meet_in_the_middle_and_small_overhangs_are_cut():
    words = [AlignedWord("a", 0, 1100, 1.0, 0, 1), AlignedWord("b", 1000, 2100, 1.0, 2, 3)]
    placed = checked(words, num_samples=2000)
    assert [(word.start_sample, word.end_sample) for word in placed] == [(0, 1050), (1050, 2000)]


@given(
    st.lists(st.tuples(st.integers(-200, 20_000), st.integers(-200, 20_000)).map(sorted), max_size=6),
    st.integers(0, 20_000),
)
def test_what_is_accepted_is_ordered_apart_and_inside_the_audio(spans, num_samples):
    words = [AlignedWord("a", start, end, 1.0, 0, 1) for start, end in sorted(spans)]
    try:
        placed = checked(words, num_samples=num_samples)
    except RecordError:
        return
    edges = [edge for word in placed for edge in (word.start_sample, word.end_sample)]
    assert len(placed) == len(words)
    assert edges == sorted(edges)
    assert all(0 <= edge <= num_samples for edge in edges)


@st.composite
def placed_words(draw):
    """Words with room between them, and the length of their audio."""
    texts = draw(st.lists(st.text(st.characters(categories=["L"]), min_size=1, max_size=6), min_size=1, max_size=8))
    cuts = draw(
        st.lists(st.integers(0, 60_000_000), min_size=2 * len(texts), max_size=2 * len(texts), unique=True).map(sorted)
    )
    words = [AlignedWord(text, cuts[2 * i], cuts[2 * i + 1], 0.0, 0, 1) for i, text in enumerate(texts)]
    return words, cuts[-1] + draw(st.integers(0, 1000))


@given(placed_words())
def test_a_written_textgrid_is_read_back_to_the_sample_and_tiles_the_audio(case):
    words, num_samples = case
    (tier,) = read_textgrid(write_textgrid(words, num_samples=num_samples))
    spans = [(samples(start), samples(end), label) for start, end, label in tier.intervals]
    assert [span for span in spans if span[2]] == [(word.start_sample, word.end_sample, word.text) for word in words]
    assert spans[0][0] == 0
    assert spans[-1][1] == num_samples
    assert all(left[1] == right[0] for left, right in pairwise(spans))


@given(st.integers(0, 10**10))
def test_seconds_are_exact(count):
    assert samples(float(seconds(count))) == count


PIECES = {
    "en": "the cat 21 1984 $5 don't PBX 10:05 3.5 & naïve U.S. -5 Henry VIII",
    "es": "el gato 21 1984 5€ DGT 10:05 3,5 & niño 2ª -5 siglo XX",
    "fr": "le chat 21 1984 5€ l'ONU SNCF 10h05 3,5 & 1er -5 XXe",
    "de": "die Katze 21 1984 5€ CDU 14:30 3,5 & Straße 3. Mai -5 90er",
    "it": "il gatto 21 1984 5€ DVD 10:05 3,5 & perché 2ª -5 XX secolo",
    "ru": "кошка 21 1984 5₽ США 10:05 3,5 & 5-й -5 до XX век",
}


@given(st.sampled_from(sorted(PIECES)), st.data())
def test_any_reading_of_a_text_comes_back_word_for_word(code, data):
    pieces = data.draw(st.lists(st.sampled_from(PIECES[code].split()), min_size=1, max_size=8))
    text = " ".join(pieces)
    parts = slots(text, code)
    chosen = [data.draw(st.sampled_from(slot.readings)) for slot in parts]
    spoken = [word for reading in chosen for word in reading]
    assume(spoken)
    times = [GivenWord(word.upper(), index / 10, (index + 1) / 10) for index, word in enumerate(spoken)]
    words = match(text, parts, times)
    assert [(word.text, word.start_sample, word.end_sample) for word in words] == [
        (word, samples(index / 10), samples((index + 1) / 10)) for index, word in enumerate(spoken)
    ]
