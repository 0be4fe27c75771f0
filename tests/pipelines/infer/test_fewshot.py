"""Few-shot templates: what the model is given, what is read from its answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.infer.fewshot import Example, FewShot, encode_examples, read_examples
from pipelines.infer.model import SpeechTextModel
from pipelines.infer.parts import Speech, Text
from pipelines.train.samples import spell
from schemas.errors import UserError
from tests.pipelines.infer.conftest import FakeEncoderConfig
from tests.toy_corpus import INFOS, toy_utterance

BUNDLED = ("asr", "tts", "intent")


def example(number: int) -> Example:
    record = toy_utterance(number)
    return Example(record.utterance_id, record.text, Speech(streams=record.streams[:1]))


def spelled(model, template, shots, query):
    output = template.decoding.output
    (tokens,) = model._prompts.whole([template.prompt(shots, query)], output)
    return spell(tokens[1:], layout=model.layout, text=model.tokenizer)


def spelled_speech(model, one):
    (tokens,) = model._prompts.whole([[one.speech]], "speech")
    return spell(tokens[2:], layout=model.layout, text=model.tokenizer)


def test_prompts_are_as_published(model):
    shot, query = example(1), example(2)
    heard, asked = spelled_speech(model, shot), spelled_speech(model, query)
    assert spelled(model, FewShot.load("asr"), [shot], query) == (
        f"[SPEECH]{heard}[TEXT]<START Transcript> {shot.text} <END>[SPEECH]{asked}[TEXT]"
    )
    assert spelled(model, FewShot.load("tts"), [shot], query) == (
        f"[TEXT]{shot.text}[SPEECH]{heard}[TEXT]{query.text}[SPEECH]"
    )
    assert spelled(model, FewShot.load("intent"), [shot], query) == (
        f"[SPEECH]{heard}[TEXT]A:{shot.text}[SPEECH]{asked}[TEXT]"
    )


@given(
    pool=st.sets(st.integers(0, 60), min_size=12, max_size=40),
    shots=st.integers(0, 11),
    seed=st.integers(0, 99),
    order=st.randoms(use_true_random=False),
)
def test_shots_are_drawn_by_key_and_seed_and_never_the_query(pool, shots, seed, order):
    template = FewShot.load("asr")
    examples = [Example(f"k{number}", str(number)) for number in sorted(pool)]
    query = examples[len(examples) // 2]
    drawn = template.draw(examples, query, seed=seed, shots=shots)
    keys = [one.key for one in drawn]
    assert len(set(keys)) == shots
    assert query.key not in keys
    shuffled = list(examples)
    order.shuffle(shuffled)
    assert [one.key for one in template.draw(shuffled, query, seed=seed, shots=shots)] == keys


def test_seeds_and_queries_draw_differently_and_too_few_examples_are_said():
    template, examples = FewShot.load("intent"), [Example(f"k{number}", "") for number in range(40)]
    drawn = {(q, s): tuple(e.key for e in template.draw(examples, examples[q], seed=s)) for q in (0, 1) for s in (0, 1)}
    assert len(set(drawn.values())) == 4
    assert all(len(keys) == 30 for keys in drawn.values())
    with pytest.raises(UserError, match="30 shots of 9 examples"):
        template.draw(examples[:10], examples[0], seed=0)


@pytest.mark.parametrize(
    ("name", "answer", "expected"),
    [
        ("asr", "<START Transcript> red goes <END> and more", "red goes"),
        ("asr", " <START Transcript> red goes", "red goes"),
        ("asr", "red <END>", "red"),
        ("asr", "<END>", ""),
        ("intent", "A:activate lights bedroom", "activate lights bedroom"),
        ("intent", "activate lights", "activate lights"),
    ],
)
def test_an_answer_is_read_between_begin_and_stop(name, answer, expected):
    assert FewShot.load(name).read([Text(answer)]) == expected


def test_an_answer_in_speech_is_its_audio():
    template = FewShot.load("tts")
    tone = np.ones(640, np.float32)
    assert len(template.hear([Speech(audio=tone), Speech(audio=tone)])) == 1280
    assert len(template.hear([])) == 0


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_templates_can_be_asked(model, name):
    template = FewShot.load(name)
    pool = [example(number) for number in range(8)]
    prompt = template.prompt(template.draw(pool, pool[0], seed=0, shots=1), pool[0])
    (answer,) = model.generate([prompt], **template.arguments(seed=0) | {"max_new_tokens": 20})
    assert isinstance(template.read(answer), str)
    assert template.hear(answer).dtype == np.float32


def test_the_switch_and_the_stop_string_end_an_answer(model):
    """A flat draw meets the other marker, EOS and each token soon."""
    prompt = [Text("red")]
    flat = {"output": "text", "temperature": 50.0, "top_p": 1.0, "max_new_tokens": 110}
    lengths = {
        switch: sum(
            len(model.tokenizer.encode(part.text))
            for answer in model.generate([prompt] * 12, seed=1, until_switch=switch, **flat)
            for part in answer
        )
        for switch in (False, True)
    }
    assert lengths[True] < lengths[False]
    (whole,) = model.generate([prompt], seed=3, min_new_tokens=110, **flat)
    letter = whole[0].text[len(whole[0].text) // 2]
    (cut,) = model.generate([prompt], seed=3, min_new_tokens=110, stop=letter, **flat)
    assert whole[0].text.startswith(cut[0].text)
    assert letter in cut[0].text
    assert len(cut[0].text) < len(whole[0].text)


def test_shots_are_left_out_until_the_prompt_fits(model):
    template = FewShot.load("intent")
    pool, query = [example(number) for number in range(20)], example(30)
    fit = template.fitting(model, pool, query)
    assert 0 < len(fit) < len(pool)
    assert fit == pool[: len(fit)]

    def size(shots):
        return model.count_tokens(template.prompt(shots, query), output="text")

    assert size(fit) <= model.context - template.decoding.max_new_tokens < size(pool[: len(fit) + 1])
    with pytest.raises(UserError, match="context of 128"):
        FewShot.load("tts").fitting(model, pool, query)


def test_an_answer_in_either_modality_has_no_switch_to_end_at(model):
    with pytest.raises(UserError, match="until_switch"):
        model.generate([[Text("red")]], output="any", until_switch=True)


GOOD = """
format: plait/few-shot/1
shots: 2
question: [speech, {text: "What is it?"}]
answer: [{text: "It is {text}."}]
begin: It is
stop: "."
decoding: {output: text, max_new_tokens: 5}
"""


def test_a_template_of_ones_own(tmp_path):
    (tmp_path / "mine.yaml").write_text(GOOD)
    template = FewShot.load(tmp_path / "mine.yaml")
    parts = template.prompt([example(1)], example(2))
    assert [part.text if isinstance(part, Text) else "speech" for part in parts] == [
        "speech", "What is it?", f"It is {example(1).text}.", "speech", "What is it?",
    ]  # fmt: skip
    assert template.read([Text("It is red. And")]) == "red"
    assert template.arguments(7) == {
        "output": "text",
        "max_new_tokens": 5,
        "until_switch": False,
        "temperature": 0.0,
        "top_p": 1.0,
        "stop": ".",
        "seed": 7,
    }


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("begin: It", "begins: It", "begins: unknown key; did you mean begin?"),
        ("output: text", "output: speech", "modality of the answer"),
        ('answer: [{text: "It is {text}."}]', "answer: [speech, {text: x}]", "all parts of an answer"),
        ("max_new_tokens: 5", "max_new_tokens: 0", "max_new_tokens"),
        ("few-shot/1", "few-shot/9", "format"),
    ],
)
def test_a_wrong_template_is_one_line(tmp_path, old, new, message):
    (tmp_path / "mine.yaml").write_text(GOOD.replace(old, new))
    with pytest.raises(UserError) as error:
        FewShot.load(tmp_path / "mine.yaml")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_template_names_the_bundled_ones():
    with pytest.raises(UserError, match="asr, intent, tts"):
        FewShot.load("asl")


def test_examples_come_from_tables_and_are_encoded_once(folder):
    examples = read_examples("examples/asterisk-en/transcripts.tsv")[:4]
    assert [one.key for one in examples][:2] == ["activated", "added"]
    assert examples[0].text == "Activated."
    listening = SpeechTextModel.load(folder, encoders=[FakeEncoderConfig(INFOS[0])], device="cpu")
    encoded = encode_examples(listening, [*examples, Example("mute", "no recording")])
    assert all(one.speech.streams[0].fingerprint == "toy-units" for one in encoded[:4])
    assert encoded[4].speech is None
    with pytest.raises(UserError, match="mute has no recording"):
        FewShot.load("asr").prompt([], encoded[4])
    with pytest.raises(UserError, match="nowhere"):
        read_examples("nowhere")
