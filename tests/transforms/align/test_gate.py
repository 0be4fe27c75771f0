from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.errors import RecordError
from schemas.records import AlignedWord, SpokenWord
from transforms.align.gate import Gate, GateConfig, _spread
from transforms.align.gate_cut import is_cut, shares_heard
from transforms.align.protocol import Alignment
from transforms.align.readings import align_text


@pytest.fixture(scope="module")
def gate() -> Gate:
    return GateConfig().load()


@pytest.fixture
def judge(aligner, gate):
    def align_and_judge(waveform, text, *, of=gate):
        alignment = align_text(aligner, waveform, text, "en")
        words = [SpokenWord(word.text, word.char_start, word.char_end) for word in alignment.words]
        return of.judge(alignment, words, waveform, text, "en")

    return align_and_judge


def rejection(judge, waveform, text, **kwargs):
    with pytest.raises(RecordError) as caught:
        judge(waveform, text, **kwargs)
    return caught.value


@pytest.mark.parametrize("utterance_id", ["auth-incorrect", "agent-pass", "vm-press", "spy-iax", "vm-undelete"])
def test_real_prompts_are_accepted_whole(judge, prompt, utterance_id):
    verdict = judge(*prompt(utterance_id))
    assert verdict.kept is None
    assert verdict.scores["share_kept"] == 1.0
    assert verdict.scores["worst_excess"] <= 0


@pytest.mark.parametrize("case", [str.upper, str.lower])
@pytest.mark.parametrize("utterance_id", ["demo-abouttotry", "priv-introsaved", "dir-intro", "dir-usingkeypad"])
def test_a_text_of_one_case_is_accepted_as_in_ordinary_case(judge, prompt, utterance_id, case):
    waveform, text = prompt(utterance_id)
    assert judge(waveform, case(text)).kept is None


@pytest.mark.parametrize("audio", ["auth-incorrect", "vm-forward", "agent-newlocation"])
@pytest.mark.parametrize("words_of", ["vm-goodbye", "queue-thankyou", "all-circuits-busy-now"])
def test_another_utterances_transcript_is_rejected(judge, prompt, audio, words_of):
    error = rejection(judge, prompt(audio)[0], prompt(words_of)[1])
    assert error.code.startswith("gate_") or error.code == "alignment_failed"


def test_a_single_wrong_word_is_found_and_cut_away(judge, prompt):
    waveform, text = prompt("demo-abouttotry")
    verdict = judge(waveform, text.replace("attempt to make", "attempt to window"))
    assert verdict.kept is not None
    kept = verdict.kept.text(text)
    assert "window" not in kept
    assert kept in text
    assert 0.5 <= verdict.scores["share_kept"] < 1
    assert verdict.scores["trim_end_sample"] < len(waveform)
    assert len(verdict.kept.waveform(waveform)) == verdict.kept.end_sample - verdict.kept.start_sample


def test_without_trimming_a_wrong_word_rejects_by_name(aligner, gate, judge, prompt):
    waveform, text = prompt("demo-abouttotry")
    whole = Gate(GateConfig(trim=False), gate.vad, gate._scorer)
    error = rejection(judge, waveform, text.replace("attempt to make", "attempt to window"), of=whole)
    assert error.code == "gate_word_mismatch"
    assert error.outcome == "filtered"
    assert "'window'" in error.detail or "'the'" in error.detail
    assert (
        error.detail
        == rejection(judge, waveform, text.replace("attempt to make", "attempt to window"), of=whole).detail
    )


def test_four_words_of_five_are_rejected_for_the_one_that_is_heard(judge, prompt):
    waveform, text = prompt("conf-now-unmuted")
    assert judge(waveform, text).kept is None
    error = rejection(judge, waveform, text.replace("now ", ""))
    assert error.code == "gate_unwritten_word"


def test_a_passage_of_noise_is_lost_and_the_rest_kept(judge, prompt):
    waveform, text = prompt("demo-abouttotry")
    noisy = waveform.copy()
    start = len(noisy) * 3 // 4
    noisy[start:] = np.random.default_rng(0).normal(0, 0.05, len(noisy) - start)
    verdict = judge(noisy, text)
    assert verdict.kept is not None
    assert verdict.kept.end_sample < start + 8000


def test_a_gate_without_a_second_opinion_keeps_whole_or_nothing(gate, judge, prompt):
    deaf = Gate(GateConfig(opinion="none"), gate.vad, None)
    assert judge(*prompt("demo-abouttotry"), of=deaf).kept is None
    waveform, _ = prompt("demo-abouttotry")
    assert rejection(judge, waveform, prompt("demo-moreinfo")[1], of=deaf).code.startswith("gate_")


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=12))
def test_doubt_spreads_to_the_next_safe_word(words):
    good = [g for g, _ in words]
    safe = np.array([s for _, s in words])
    spread = _spread(good, safe)
    for place, kept in enumerate(spread):
        left = next((i for i in range(place, -1, -1) if not good[i] or safe[i]), -1)
        right = next((i for i in range(place, len(good)) if not good[i] or safe[i]), len(good))
        reached = (left >= 0 and not good[left]) or (right < len(good) and not good[right])
        assert kept == (good[place] and not reached)


def test_every_measure_that_the_weights_name_is_taken(aligner, gate, prompt):
    waveform, text = prompt("agent-pass")
    alignment = align_text(aligner, waveform, text, "en")
    heard = gate.measures(alignment, waveform, text, "en")
    deaf = gate.measures(alignment, waveform, text, "xx")
    names = {name for name in GateConfig().weights if name != "bias" and ":" not in name}
    assert names | {"unwritten"} == set(heard)
    assert {name for name in GateConfig().weights_alone if name != "bias" and ":" not in name} == set(deaf)
    assert all(len(values) == len(alignment.words) and (values >= 0).all() for values in heard.values())


def test_an_aligner_without_scores_counts_as_usual(aligner, gate, prompt):
    """``given`` times carry no fit, whatever their scores: the usual one stands in, and the rest decides."""
    waveform, text = prompt("agent-pass")
    alignment = align_text(aligner, waveform, text, "en")
    bare = Alignment(tuple(replace(word, score=0.0) for word in alignment.words))
    words = [SpokenWord(word.text, word.char_start, word.char_end) for word in bare.words]
    assert gate.judge(bare, words, waveform, text, "en").kept is None
    heard = Alignment(bare.words, {"confidence": 0.9})
    assert "fit" not in gate.measures(heard, waveform, text, "en", hear=False)


def test_unknown_thresholds_are_refused():
    with pytest.raises(ValidationError):
        GateConfig(min_coverge=0.5)


def test_a_text_that_stops_too_early_has_a_suspicious_end(aligner, gate, prompt):
    waveform, text = prompt("conf-unlockednow")
    whole, cut = (
        gate.measures(align_text(aligner, waveform, said, "en"), waveform, said, "en")["ending"]
        for said in (text, text.rsplit(" ", 1)[0])
    )
    assert whole[-1] == 0
    assert cut[-1] > 3
    assert not whole[:-1].any()
    assert not cut[:-1].any()


def test_a_sample_is_cut_and_heard_again(aligner, gate, prompt):
    waveform, text = prompt("queue-thankyou")
    alignment = align_text(aligner, waveform, text, "en")
    words = [SpokenWord(word.text, word.char_start, word.char_end) for word in alignment.words]
    all_of_them = Gate(GateConfig(cut_ratio=1.0), gate.vad, gate._scorer)
    scores = all_of_them.judge(alignment, words, waveform, text, "en").scores
    assert scores["words_heard"] == 1.0
    assert scores["words_heard_when_cut"] >= 0.8
    none_of_them = Gate(GateConfig(cut_ratio=0.0), gate.vad, gate._scorer)
    assert "words_heard" not in none_of_them.judge(alignment, words, waveform, text, "en").scores
    late = tuple(word.moved(samples=14_000) for word in alignment.words)
    with pytest.raises(RecordError) as caught:
        all_of_them._cut_and_heard(Alignment(late), waveform, "en")
    assert caught.value.code == "gate_cut_words"


def test_the_sample_is_a_share_that_does_not_move():
    words = [AlignedWord("a", 160 * place, 160 * place + 160, 0.0, place, place + 1) for place in range(4)]
    waves = np.random.default_rng(0).normal(0, 0.1, (2000, 800)).astype(np.float32)
    chosen = [is_cut(words, wave, ratio=0.1) for wave in waves]
    assert 150 < sum(chosen) < 250
    assert chosen == [is_cut(words, wave.copy(), ratio=0.1) for wave in waves]
    assert all(is_cut(words, wave, ratio=0.3) for wave, one in zip(waves, chosen, strict=True) if one)
    assert not any(is_cut(words[:3], wave, ratio=1.0) for wave in waves)
    assert not any(is_cut(words, wave, ratio=0.0) for wave in waves)


def test_a_written_number_is_not_cut_in_two():
    words = [
        AlignedWord(text, 1000 * place, 1000 * place + 900, 0.0, *chars)
        for place, (text, chars) in enumerate(
            [("room", (0, 4)), ("twenty", (5, 7)), ("one", (5, 7)), ("please", (8, 14))]
        )
    ]
    heard = []

    def hear(waveform):
        heard.append(len(waveform))
        return ["room", "twenty", "one"]

    assert shares_heard(words, np.zeros(4000, np.float32), hear) == (0.75, 0.75)
    assert heard[0] == heard[1] + heard[2] == 4000
    assert heard[1] in (950, 2950)
    assert shares_heard(words[1:3], np.zeros(4000, np.float32), hear) == (1.0, 1.0)
