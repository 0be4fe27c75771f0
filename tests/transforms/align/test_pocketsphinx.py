import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.errors import RecordError, UserError
from schemas.records import SpokenWord
from transforms.align.gate import check_spans
from transforms.align.pocketsphinx import PocketsphinxConfig
from transforms.text.verbalise import verbalise

REAL_WORDS = st.lists(st.sampled_from(["thank", "you", "a", "password", "zzyzx", "dahdi's", "goin'"]), max_size=12)


def spoken(*texts):
    return [SpokenWord(text, index, index + 1) for index, text in enumerate(texts)]


def test_places_the_words_of_a_prompt(aligner, prompt):
    waveform, text = prompt("auth-incorrect")
    words = verbalise(text, "en")
    alignment = aligner.align(waveform, words)
    check_spans(alignment.words, words, num_samples=len(waveform))
    assert [(word.char_start, word.char_end) for word in alignment.words] == [
        (word.char_start, word.char_end) for word in words
    ]
    incorrect, please = alignment.words[1], alignment.words[2]
    assert please.start_sample - incorrect.end_sample > 1600  # the pause after the full stop belongs to no word
    assert -3 < alignment.scores["log_likelihood"] < 0


def test_a_shifted_recording_shifts_its_words(aligner, prompt):
    waveform, text = prompt("auth-incorrect")
    words = verbalise(text, "en")
    silence = np.random.default_rng(0).normal(0, 1e-4, 16_000).astype(np.float32)
    plain = aligner.align(waveform, words).words
    shifted = aligner.align(np.concatenate([silence, waveform]), words).words
    offsets = [late.start_sample - early.start_sample for early, late in zip(plain, shifted, strict=True)]
    assert np.median(offsets) == 16_000
    assert max(abs(offset - 16_000) for offset in offsets) <= 800


def test_no_utterance_leaves_a_trace_in_the_next(prompt):
    waveform, text = prompt("vm-press")
    other, other_text = prompt("spy-mgcp")
    fresh = PocketsphinxConfig().load()
    before = fresh.align(waveform, verbalise(text, "en"))
    fresh.align(other, verbalise(other_text, "en"))
    with pytest.raises(RecordError):
        fresh.align(np.zeros(400, np.float32), spoken("one"))
    assert fresh.align(waveform, verbalise(text, "en")) == before


def test_words_outside_the_dictionary_are_pronounced(aligner, prompt):
    waveform, text = prompt("vm-undelete")
    words = verbalise(text, "en")
    assert len(aligner.align(waveform, words).words) == len(words)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=REAL_WORDS, num_samples=st.integers(0, 24_000), loudness=st.sampled_from([0.0, 1e-3, 0.3, 2.0]))
def test_any_audio_yields_lawful_spans_or_a_named_failure(aligner, texts, num_samples, loudness):
    waveform = np.random.default_rng(num_samples).normal(0, loudness, num_samples).astype(np.float32)
    words = spoken(*texts)
    try:
        alignment = aligner.align(waveform, words)
    except RecordError as error:
        assert error.code == "alignment_failed"  # noqa: PT017
    else:
        check_spans(alignment.words, words, num_samples=num_samples)


def test_more_words_than_fit_fail_with_a_reason(aligner, prompt):
    waveform, _ = prompt("activated")
    with pytest.raises(RecordError) as caught:
        aligner.align(waveform[:8000], spoken(*["password"] * 40))
    assert caught.value.code == "alignment_failed"
    assert caught.value.outcome == "failed"


def test_a_word_without_latin_letters_is_named(aligner, prompt):
    waveform, _ = prompt("activated")
    with pytest.raises(RecordError, match="日本") as caught:
        aligner.align(waveform, spoken("activated", "日本"))
    assert caught.value.code == "unpronounceable_word"


def test_the_config_travels_and_its_fingerprint_follows_what_matters():
    config = PocketsphinxConfig()
    assert pickle.loads(pickle.dumps(config)) == config
    assert pickle.loads(pickle.dumps(config)).fingerprint == config.fingerprint
    assert PocketsphinxConfig(silence_probability=0.1).fingerprint != config.fingerprint


def test_foreign_g2p_weights_are_refused(tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, enc_emb=np.zeros(3))
    with pytest.raises(UserError, match="g2p"):
        PocketsphinxConfig(g2p=str(path)).load()


def test_the_module_imports_without_its_model_library():
    code = (
        "import sys, transforms.align.pocketsphinx; sys.exit('pocketsphinx' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
