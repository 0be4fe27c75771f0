from dataclasses import replace

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st

from pipelines.infer.model import SpeechTextModel
from pipelines.infer.parts import Speech, Text, grammar_for
from pipelines.infer.sampling import draw
from pipelines.infer.scoring import log_likelihoods
from schemas.errors import UserError
from schemas.records import SAMPLE_RATE_HZ
from tests.pipelines.infer.conftest import FakeEncoderConfig, FakeVocoder, tokens_of
from tests.toy_corpus import INFOS, toy_utterance, units_of


def units_in(part: Speech, model: SpeechTextModel) -> list[int]:
    codes = [model.layout.decode_id(token) for token in part.tokens]
    return [code for kind, code in codes if kind == "units"]


@pytest.mark.parametrize("number", range(4))
def test_it_says_what_it_reads_and_writes_what_it_hears(model, number):
    known = toy_utterance(number)
    (spoken,) = model.generate([[Text(known.text)]], output="speech", temperature=0, max_new_tokens=60)
    assert units_in(spoken[0], model) == [unit for run in map(units_of, known.text.split()) for unit in run]
    assert spoken[0].streams[0].fingerprint == "toy-units"
    assert len(spoken[0].audio) == len(spoken[0].tokens) * 2 * 640
    (written,) = model.generate([[Speech(streams=known.streams)]], output="text", temperature=0, max_new_tokens=20)
    assert written == [Text(known.text)]


PROMPTS = [
    [Text("red")],
    [Text("green goes left"), Speech(streams=toy_utterance(7).streams), Text("now")],
    [Speech(streams=toy_utterance(3).streams)],
]


def test_no_answer_ends_before_it_may(model):
    # A flat draw meets EOS soon; with a floor it must not.
    answers = model.generate(
        PROMPTS * 4, output="speech", temperature=50.0, top_p=1.0, max_new_tokens=30, min_new_tokens=30, seed=2
    )
    assert [sum(len(part.tokens) for part in parts) for parts in answers] == [30] * len(answers)


@pytest.mark.parametrize("output", ["text", "speech", "any"])
def test_nothing_but_the_output_modality_is_ever_drawn(model, output):
    prompts = [prompt for prompt in PROMPTS for _ in range(4)]
    # At this temperature every token that may be drawn will be.
    answers = model.generate(prompts, output=output, temperature=50.0, top_p=1.0, max_new_tokens=40, seed=1)
    assert sum(len(parts) for parts in answers) >= len(prompts) // 2
    for parts in answers:
        for part in parts:
            if output != "any":
                assert isinstance(part, Text if output == "text" else Speech)
            if isinstance(part, Speech):
                assert all(model.layout.decode_id(token) for token in part.tokens)
            else:
                assert "[Hu" not in part.text


@pytest.mark.parametrize("output", ["text", "speech", "any"])
def test_the_grammar_leaves_out_padding_and_bos_and_switches_by_markers_only(model, output):
    layout, text = model.layout, model.tokenizer
    grammar = grammar_for(output, last="text", layout=layout, rows=layout.padded_size, tokenizer=text)
    switch = output == "any"
    assert grammar.allowed["text"].sum() == layout.text_size - 1 + switch
    assert grammar.allowed["speech"].sum() == layout.units_size + 1 + switch
    assert grammar.allowed["text"][layout.speech_marker] == grammar.allowed["speech"][layout.text_marker] == switch
    for allowed in grammar.allowed.values():
        assert allowed[text.eos_id]
        assert not allowed[text.bos_id]
        assert not allowed[layout.used_size :].any()
    assert grammar.first == ("text" if output == "any" else output)


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_a_prompt_is_answered_alike_whatever_its_batch_mates(model, temperature):
    def ask(prompts):
        answers = model.generate(prompts, output="speech", temperature=temperature, seed=5, max_new_tokens=30)
        return [tokens_of(parts) for parts in answers]

    together = ask(PROMPTS)
    assert together[0] == ask(PROMPTS[:1])[0]
    assert together[:2] == ask([PROMPTS[0], PROMPTS[1]])
    assert together == ask(PROMPTS)


def test_one_prompt_has_one_answer(model):
    prompt = [Text("red goes"), Speech(streams=toy_utterance(1).streams)]
    alone = model.generate(prompt, output="text", seed=4, min_new_tokens=5, max_new_tokens=30)
    (listed,) = model.generate([prompt], output="text", seed=4, min_new_tokens=5, max_new_tokens=30)
    assert isinstance(alone[0], Text)
    assert tokens_of(alone) == tokens_of(listed)


def test_the_seed_decides(model):
    def ask(seed):
        (parts,) = model.generate([[Text("red")]], output="any", temperature=3.0, seed=seed)
        return tokens_of(parts)

    assert ask(1) == ask(1)
    assert len({str(ask(seed)) for seed in range(4)}) > 1


def test_any_lets_the_model_switch(model):
    answers = model.generate([[Text("red goes")]] * 8, output="any", temperature=1.0, top_p=1.0, seed=2)
    kinds = {type(part) for parts in answers for part in parts}
    assert Speech in kinds


def test_scores_are_log_likelihoods_and_prefer_what_was_said(model):
    said, other = toy_utterance(4, max_words=3), toy_utterance(5, max_words=3)
    candidates = [[Speech(streams=said.streams)], [Speech(streams=other.streams)], [Text("red")]]
    scores = model.score([Text(said.text)], candidates)
    assert scores[0].per_token > scores[1].per_token
    layout, text = model.layout, model.tokenizer
    prompt = [text.bos_id, layout.text_marker, *text.encode(said.text)]
    red = text.encode("red")
    (alone,) = log_likelihoods(model.model, [[*prompt, *red]], starts=[len(prompt)])
    assert scores[2].tokens == len(red)
    assert scores[2].log_likelihood == pytest.approx(alone.sum(), abs=1e-4)
    assert scores[1].log_likelihood == pytest.approx(model.score([Text(said.text)], candidates[1:2])[0].log_likelihood)
    with pytest.raises(UserError, match="no token"):
        model.score([Text("red")], [[Text("")]])


def test_other_codebooks_are_refused_by_both_names(folder, model):
    vocoder = FakeVocoder()
    vocoder.stream_fingerprints = {"units": "someone-elses"}
    with pytest.raises(UserError, match=r"vocoder.*someone-elses.*toy-units"):
        SpeechTextModel.load(folder, vocoder=vocoder, device="cpu")
    with pytest.raises(UserError, match=r"encoder.*other.*toy-units"):
        SpeechTextModel.load(folder, encoders=[FakeEncoderConfig(replace(INFOS[0], fingerprint="other"))], device="cpu")
    strange = tuple(replace(stream, fingerprint="strange") for stream in toy_utterance(1).streams)
    with pytest.raises(UserError, match=r"prompt.*strange"):
        model.generate([[Speech(streams=strange)]], output="text")


def test_audio_goes_through_the_encoders_of_the_corpus(folder, model, tmp_path):
    waveform = np.sin(np.arange(SAMPLE_RATE_HZ) / 20).astype(np.float32) * 0.3
    sf.write(tmp_path / "a.wav", waveform, SAMPLE_RATE_HZ)
    listening = SpeechTextModel.load(folder, encoders=[FakeEncoderConfig(INFOS[0])], device="cpu")
    (streams,) = (listening.encode_audio(Speech(tmp_path / "a.wav")),)
    assert len(streams[0].ids) == 25
    answers = listening.generate([[Speech(waveform)], [Speech(tmp_path / "a.wav")]], output="text", temperature=0)
    assert tokens_of(answers[0]) == tokens_of(answers[1])
    with pytest.raises(UserError, match="units encoder"):
        model.generate([[Speech(waveform)]], output="text")
    with pytest.raises(UserError, match="cannot read"):
        listening.generate([[Speech(tmp_path / "none.wav")]], output="text")


def test_prompts_that_cannot_be_answered_are_said(model):
    with pytest.raises(UserError, match="context"):
        model.generate([[Text("red " * 200)]], output="text")
    with pytest.raises(UserError, match="empty prompt"):
        model.generate([[]], output="any")
    assert model.generate([], output="text") == []
    (parts,) = model.generate([[]], output="speech", max_new_tokens=5)
    assert isinstance(parts[0], Speech)


@given(
    logits=st.lists(st.floats(-8, 8), min_size=2, max_size=30),
    banned=st.sets(st.integers(0, 29)),
    temperature=st.floats(0.1, 5),
    top_p=st.floats(0.05, 1),
    seed=st.integers(0, 99),
)
def test_a_draw_lies_in_the_smallest_nucleus(logits, banned, temperature, top_p, seed):
    values = np.array(logits)
    values[[i for i in banned if 0 < i < len(values)]] = -np.inf
    token = draw(values, temperature=temperature, top_p=top_p, rng=np.random.default_rng(seed))
    assert values[token] > -np.inf
    chances = np.exp((values - values.max()) / temperature)
    chances /= chances.sum()
    likelier = chances[chances > chances[token] * (1 + 1e-9)].sum()
    assert likelier < top_p + 1e-9
    assert draw(values, temperature=0, top_p=top_p, rng=np.random.default_rng(seed)) == values.argmax()


@given(
    logits=st.lists(st.one_of(st.floats(-8, 8), st.sampled_from([0.0, 1.0, -np.inf])), min_size=1, max_size=60),
    temperature=st.floats(0.1, 5),
    top_p=st.floats(0.05, 1),
    seed=st.integers(0, 99),
)
def test_a_draw_is_that_of_the_whole_vocabulary_in_order(logits, temperature, top_p, seed):
    """Ids that are not allowed have no mass, so leaving them out of the order changes no draw."""
    values = np.array([0.5, *logits])
    scaled = (values - values.max()) / temperature
    order = np.argsort(-scaled, kind="stable")
    mass = np.cumsum(np.exp(scaled[order]))
    kept = int(np.searchsorted(mass, top_p * mass[-1])) + 1
    aim = np.random.default_rng(seed).random() * mass[min(kept, len(mass)) - 1]
    expected = order[np.searchsorted(mass[:kept], aim, side="right")]
    assert draw(values, temperature=temperature, top_p=top_p, rng=np.random.default_rng(seed)) == expected


def test_draws_follow_the_distribution():
    rng = np.random.default_rng(0)
    draws = [draw(np.log([0.5, 0.3, 0.2]), temperature=1.0, top_p=1.0, rng=rng) for _ in range(3000)]
    assert np.bincount(draws) / 3000 == pytest.approx([0.5, 0.3, 0.2], abs=0.04)
