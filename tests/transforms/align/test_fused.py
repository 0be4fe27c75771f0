import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.errors import RecordError, UserError
from schemas.records import Span, SpokenWord
from transforms.align.fused import DISAGREEMENT, FusedAligner, FusedConfig, less_prior
from transforms.align.gate import check_spans
from transforms.align.phone_net import PhoneFeatures, PhoneNet, load_nets, save_nets
from transforms.align.phones import PHONE_ID, PHONES, with_reductions
from transforms.align.pocketsphinx import PocketsphinxConfig
from transforms.text.verbalise import verbalise
from transforms.units.whisper import WhisperUnitsConfig

REAL_WORDS = st.lists(st.sampled_from(["thank", "you", "a", "password", "his", "last"]), max_size=8)


def spoken(*texts):
    return [SpokenWord(text, index, index + 1) for index, text in enumerate(texts)]


@pytest.fixture(scope="module")
def fused():
    return FusedConfig().load()


def test_refines_what_the_coarse_aligner_places(fused, aligner, prompt):
    waveform, text = prompt("auth-incorrect")
    words = verbalise(text, "en")
    coarse, fine = aligner.align(waveform, words), fused.align(waveform, words)
    check_spans(fine.words, words, num_samples=len(waveform))
    apart = [abs(a.start_sample - b.start_sample) for a, b in zip(coarse.words, fine.words, strict=True)]
    assert 0 < max(apart) < 1600
    assert fine.scores["log_likelihood"] == coarse.scores["log_likelihood"]
    assert fine.words[2].start_sample - fine.words[1].end_sample > 1600  # the pause belongs to no word


def test_a_shifted_recording_shifts_its_words(fused, prompt):
    waveform, text = prompt("auth-incorrect")
    words = verbalise(text, "en")
    silence = np.random.default_rng(0).normal(0, 1e-4, 16_000).astype(np.float32)
    plain = fused.align(waveform, words).words
    shifted = fused.align(np.concatenate([silence, waveform]), words).words
    offsets = [late.start_sample - early.start_sample for early, late in zip(plain, shifted, strict=True)]
    assert max(abs(offset - 16_000) for offset in offsets) <= 480


@pytest.mark.parametrize("silence_s", [0.3, 1.0])
def test_features_of_speech_do_not_depend_on_the_silence_around_it(fused, prompt, silence_s):
    waveform, text = prompt("auth-incorrect")
    words = fused.place(waveform, verbalise(text, "en")).words
    speech = [Span(word.start_sample, word.end_sample) for word in words]
    num = round(silence_s * 16_000)
    silence = np.random.default_rng(0).normal(0, 1e-4, num).astype(np.float32)
    features = PhoneFeatures(WhisperUnitsConfig().model_path)
    mel_FM, _ = features(waveform, speech)
    later = [Span(span.start + num, span.end + num) for span in speech]
    padded_FM, _ = features(np.concatenate([silence, waveform, silence]), later)
    apart_FM = padded_FM[num // 160 :][: len(mel_FM)] - mel_FM
    of_speech_FM = apart_FM[speech[0].start // 160 : speech[-1].end // 160]
    assert of_speech_FM.abs().mean() < 0.03  # 0.08 and 0.22 less plain means


def test_a_long_pause_pulls_no_word_into_it(fused, prompt):
    waveform, text = prompt("auth-incorrect")
    words = verbalise(text, "en")
    pause = np.random.default_rng(0).normal(0, 1e-4, 32_000).astype(np.float32)
    found = fused.align(np.concatenate([waveform, pause, waveform]), words * 2).words
    first, second = found[: len(words)], found[len(words) :]
    offset = len(waveform) + len(pause)
    assert max(abs(b.start_sample - a.start_sample - offset) for a, b in zip(first, second, strict=True)) <= 480


def test_a_shift_moves_the_starts_of_its_kind_alone(fused, prompt):
    waveform, text = prompt("auth-incorrect")
    placed = fused.place(waveform, verbalise(text, "en"))
    kinds = [(word.before, word.onset) for word in fused.net_words(waveform, placed)[0]]
    before, onset = kinds[1]

    def starts(shifts):
        config = FusedConfig(coarse_weight=0.5, onset_shift_samples=shifts)
        words = FusedAligner(config, fused._coarse, fused._recogniser).refine(waveform, placed).words
        return [word.start_sample for word in words]

    moved = [late - early for early, late in zip(starts({}), starts({before: {onset: 200}}), strict=True)]
    assert moved == [100 if kind == (before, onset) else 0 for kind in kinds]


def test_a_word_after_a_pause_is_known_as_such(fused, prompt):
    waveform, text = prompt("auth-incorrect")
    net_words, _ = fused.net_words(waveform, fused.place(waveform, verbalise(text, "en")))
    assert [word.before == "pause" for word in net_words][:3] == [True, False, True]  # the pause of the first test


def test_a_recording_longer_than_the_encoders_window(fused, prompt):
    waveform, text = prompt("auth-incorrect")
    words = verbalise(text, "en")
    once = fused.align(waveform, words).words
    times = 31 * 16_000 // len(waveform) + 1
    joined = fused.align(np.tile(waveform, times), words * times).words
    for number in range(times):
        part = joined[number * len(once) : (number + 1) * len(once)]
        offsets = [a.start_sample - b.start_sample for a, b in zip(part, once, strict=True)]
        assert max(abs(offset - number * len(waveform)) for offset in offsets) <= 800


def test_no_utterance_leaves_a_trace_in_the_next(fused, prompt):
    waveform, text = prompt("vm-press")
    other, other_text = prompt("spy-mgcp")
    before = fused.align(waveform, verbalise(text, "en"))
    fused.align(other, verbalise(other_text, "en"))
    assert fused.align(waveform, verbalise(text, "en")) == before


def test_a_wrong_transcript_sets_the_two_aligners_apart(fused, prompt):
    waveform, text = prompt("auth-incorrect")
    right = fused.align(waveform, verbalise(text, "en"))
    wrong = fused.align(waveform, spoken("all", "your", "operators", "are", "busy", "now"))
    assert wrong.scores[DISAGREEMENT] > 2 * right.scores[DISAGREEMENT]


def random_posteriors(frames, seed):
    return np.log(np.random.default_rng(seed).dirichlet(np.full(len(PHONES), 0.3), frames) + 1e-9).astype(np.float32)


@settings(max_examples=20, deadline=None)
@given(frames=st.integers(1, 60), seed=st.integers(0, 99), weight=st.floats(0, 1))
def test_what_is_left_of_a_prior_are_probabilities(frames, seed, weight):
    left = less_prior(random_posteriors(frames, seed), weight)
    assert np.exp(left).sum(axis=1) == pytest.approx(np.ones(frames), abs=1e-4)


@settings(max_examples=20, deadline=None)
@given(frames=st.integers(20, 60), silent=st.integers(1, 2000), seed=st.integers(0, 99))
def test_silence_around_the_words_changes_no_prior(frames, silent, seed):
    speech = random_posteriors(frames, seed)
    silence = np.full((silent, len(PHONES)), -30, np.float32)
    silence[:, PHONE_ID["SIL"]] = 0
    with_silence = less_prior(np.concatenate([speech, silence]), 0.6)[:frames]
    assert with_silence == pytest.approx(less_prior(speech, 0.6), abs=1e-3)


def test_a_phone_heard_everywhere_says_less():
    posteriors = np.full((50, len(PHONES)), 0.01)
    posteriors[:, PHONE_ID["S"]] = 1 - 0.01 * (len(PHONES) - 1)
    before = np.log(posteriors).astype(np.float32)
    after = less_prior(before, 0.6)
    s, t = PHONE_ID["S"], PHONE_ID["T"]
    assert after[0, s] - after[0, t] < before[0, s] - before[0, t] - 1


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=REAL_WORDS, num_samples=st.integers(0, 24_000), loudness=st.sampled_from([0.0, 1e-3, 0.3, 2.0]))
def test_any_audio_yields_lawful_spans_or_a_named_failure(fused, texts, num_samples, loudness):
    waveform = np.random.default_rng(num_samples).normal(0, loudness, num_samples).astype(np.float32)
    words = spoken(*texts)
    try:
        alignment = fused.align(waveform, words)
    except RecordError as error:
        assert error.code == "alignment_failed"  # noqa: PT017
    else:
        check_spans(alignment.words, words, num_samples=num_samples)


def test_the_config_travels_and_its_fingerprint_follows_what_matters():
    config = FusedConfig()
    assert pickle.loads(pickle.dumps(config)) == config
    prints = {
        config.fingerprint,
        FusedConfig(coarse_weight=0.5).fingerprint,
        FusedConfig(coarse=PocketsphinxConfig(silence_probability=0.1)).fingerprint,
    }
    assert len(prints) == 3


def test_other_files_are_refused_as_nets(tmp_path):
    path = tmp_path / "nets.safetensors"
    path.write_bytes(b"not a net")
    with pytest.raises(UserError, match="phone net"):
        FusedConfig(nets=str(path)).load()


def test_nets_survive_their_file(tmp_path):
    net = PhoneNet(mel_bands=4, dim=6, channels=8, layers=1).half().float().eval()
    with (tmp_path / "nets.safetensors").open("wb") as file:
        save_nets([net], file)
    (loaded,) = load_nets(tmp_path / "nets.safetensors")
    assert all(bool((a == b).all()) for a, b in zip(net.parameters(), loaded.parameters(), strict=True))


def test_reduced_forms_come_after_the_dictionary_forms():
    assert with_reductions([("L", "AE", "S", "T"), ("HH", "IH", "M")]) == (
        ("L", "AE", "S", "T"),
        ("HH", "IH", "M"),
        ("L", "AE", "S"),
        ("IH", "M"),
    )
    assert with_reductions([("K", "AE", "T")]) == (("K", "AE", "T"),)


def test_silence_is_the_first_of_forty_phones():
    assert len(PHONES) == len(PHONE_ID) == 40
    assert PHONE_ID["SIL"] == 0


def test_the_module_imports_without_its_model_library():
    code = "import sys, transforms.align.fused; sys.exit('torch' in sys.modules or 'pocketsphinx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
