"""The CTC aligner on small models with random weights, which the tests make, and on emissions written by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import RecordError, UserError
from schemas.records import SpokenWord
from transforms.align.ctc import CtcConfig
from transforms.align.ctc_spelling import Speller
from transforms.align.gate import check_spans
from transforms.align.gate_measures import word_measures
from transforms.align.protocol import LOG_LIKELIHOOD, Alignment
from transforms.registry import config_class

VOCABULARY = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4, "'": 5} | {
    letter: 6 + index for index, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
}
HOP, FIELD = 320, 400


def make_folder(folder: Path, *, norm: str, normalise: bool, seed: int = 0) -> Path:
    from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

    torch.manual_seed(seed)
    config = Wav2Vec2Config(
        architectures=["Wav2Vec2ForCTC"],
        vocab_size=len(VOCABULARY),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        conv_dim=(16,) * 7,
        feat_extract_norm=norm,
        do_stable_layer_norm=norm == "layer",
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        initializer_range=0.3,
        pad_token_id=0,
    )
    model = Wav2Vec2ForCTC(config).eval()
    model.save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(VOCABULARY))
    (folder / "preprocessor_config.json").write_text(json.dumps({"do_normalize": normalise}))
    return folder


@pytest.fixture(scope="module")
def layer_folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("layer"), norm="layer", normalise=True)


@pytest.fixture(scope="module")
def group_folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("group"), norm="group", normalise=False)


@pytest.fixture(scope="module")
def aligner(layer_folder):
    return CtcConfig(model=str(layer_folder), device="cpu").load()


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * 16_000)).astype(np.float32)


def words(text: str) -> list[SpokenWord]:
    return [SpokenWord(word, 0, 1) for word in text.split()]


def emissions_saying(says: list[str]) -> torch.Tensor:
    """Emissions that are all but sure of one vocabulary entry a frame."""
    logits = torch.zeros(len(says), len(VOCABULARY))
    for frame, char in enumerate(says):
        logits[frame, VOCABULARY[char]] = 12.0
    return logits.log_softmax(-1)


def test_the_registry_knows_it():
    assert config_class("align", "ctc") is CtcConfig


def test_emissions_are_those_of_the_model_by_itself(layer_folder, aligner):
    from transformers import Wav2Vec2ForCTC

    waveform = noise(1.3)
    normalised = (waveform - waveform.mean()) / np.sqrt(waveform.var() + 1e-7)
    with torch.inference_mode():
        logits = Wav2Vec2ForCTC.from_pretrained(layer_folder)(torch.from_numpy(normalised)[None]).logits[0]
    (found,) = aligner.emissions([waveform])
    assert torch.allclose(found, logits.log_softmax(-1), atol=1e-4)


@pytest.mark.parametrize("folder", ["layer_folder", "group_folder"])
def test_batch_mates_leave_no_trace(folder, request):
    config = CtcConfig(model=str(request.getfixturevalue(folder)), device="cpu")
    aligner = config.load()
    texts = ["hello there", "a longer one than that it is", "no", "well then again"]
    waveforms = [noise(seconds, seed) for seed, seconds in enumerate((1.1, 1.3, 1.05, 1.2))]
    together = aligner.emissions(waveforms)
    for waveform, log_probs_TV in zip(waveforms, together, strict=True):
        (alone,) = aligner.emissions([waveform])
        assert torch.allclose(alone, log_probs_TV, atol=2e-4)
    batch = aligner.align_batch(waveforms, [words(text) for text in texts])
    for waveform, text, found in zip(waveforms, texts, batch, strict=True):
        alone = aligner.align(waveform, words(text))
        assert [(word.start_sample, word.end_sample) for word in found.words] == [
            (word.start_sample, word.end_sample) for word in alone.words
        ]


def test_windows_give_what_the_whole_gives_to_a_model_that_looks_near(tmp_path):
    """Attention looks everywhere; without it the model sees 16 frames, and the windows' seams must not show."""
    from transformers import Wav2Vec2ForCTC

    folder = make_folder(tmp_path, norm="layer", normalise=True)
    model = Wav2Vec2ForCTC.from_pretrained(folder)
    for layer in model.wav2vec2.encoder.layers:
        torch.nn.init.zeros_(layer.attention.out_proj.weight)
    model.save_pretrained(folder)
    waveform = noise(9.0)
    whole = CtcConfig(model=str(folder), device="cpu").load()
    cut = CtcConfig(model=str(folder), device="cpu", window_s=2.0, overlap_s=1.0, batch_s=5.0).load()
    (expected,), (found,) = whole.emissions([waveform]), cut.emissions([waveform])
    assert found.shape == expected.shape == ((len(waveform) - FIELD) // HOP + 1, len(VOCABULARY))
    assert torch.allclose(found, expected, atol=2e-4)


def test_spans_lie_between_the_middles_of_receptive_fields(aligner):
    says = ["<pad>", "C", "A", "A", "T", "|", "<pad>", "S", "<pad>", "T", "T", "<pad>"]
    (found,) = aligner.align_emissions([emissions_saying(says)], [len(says) * HOP + FIELD], [words("cat st")])
    cat, st_ = found.words
    # the middle of frame i is sample 320 i + 200, so frame 1 begins half a hop before 520
    assert (cat.start_sample, cat.end_sample) == (360, 360 + 4 * HOP)
    assert (st_.start_sample, st_.end_sample) == (40 + 7 * HOP, 40 + 11 * HOP)
    assert -1e-3 < cat.score <= 0.0
    assert -1e-3 < found.scores[LOG_LIKELIHOOD] <= 0.0


def test_a_word_is_as_many_nats_worse_as_what_is_said_there_is_likelier(aligner):
    """Of three frames of "cat" one says another letter, which is 12 nats likelier; and the gate sees it."""
    says = ["<pad>", "C", "O", "T", "|", "I", "S", "<pad>"]
    (found,) = aligner.align_emissions([emissions_saying(says)], [9 * HOP], [words("cat is")])
    cat, is_ = found.words
    assert cat.score == pytest.approx(-12 / 3)
    assert is_.score == 0.0
    assert found.scores[LOG_LIKELIHOOD] == pytest.approx(-12 / 8)
    measures = word_measures(
        found,
        noise(9 * HOP / 16_000),
        speech=np.ones(6, np.float32),
        loud_T=np.ones(18, bool),
        opinions=None,
        letters_per_s=13.0,
    )
    assert measures["fit"].tolist() == pytest.approx([4.0, 0.0])
    assert measures["cliff"].tolist() == pytest.approx([2.0, 0.0])


def test_a_measured_shift_is_added(layer_folder):
    config = CtcConfig(model=str(layer_folder), device="cpu", onset_shift_samples=-100, offset_shift_samples=200)
    says = ["<pad>", "C", "A", "T", "<pad>", "<pad>", "<pad>"]
    (found,) = config.load().align_emissions([emissions_saying(says)], [8 * HOP], [words("cat")])
    assert (found.words[0].start_sample, found.words[0].end_sample) == (260, 40 + 4 * HOP + 200)


def test_a_word_that_cannot_be_spelled_takes_what_is_left_between_its_neighbours(aligner):
    says = ["<pad>", "I", "N", "|", "F", "I", "V", "E", "|", "A", "M", "<pad>"]
    (found,) = aligner.align_emissions([emissions_saying(says)], [13 * HOP], [words("in 5555 am")])
    first, star, last = found.words
    assert first.end_sample <= star.start_sample
    assert (star.start_sample, star.end_sample) == (40 + 4 * HOP, 40 + 8 * HOP)
    assert star.end_sample <= last.start_sample
    assert last.start_sample == 40 + 9 * HOP


def test_characters_come_in_the_vocabularys_case_without_accents_and_in_latin(aligner):
    spell = aligner._speller.spell

    def letters(word: str) -> str:
        names = {column: char for char, column in VOCABULARY.items()}
        return "".join(names.get(token, "*") for token in spell([word]).tokens)

    assert letters("don't") == "DON'T"
    assert letters("Café!") == "CAFE"
    assert letters("Щука") == "SHCHUKA"
    assert letters("B2B") == "B*B"
    assert letters("...") == "*"
    spelled = spell(["22", "a"])
    assert len(set(spelled.tokens)) == 4  # stars side by side differ, so that no blank is asked for between
    pause = aligner._speller.pause
    assert spelled.tokens[2] == VOCABULARY["|"]
    assert spelled.owners == (0, 0, -1, 1)
    assert spelled.gaps == (pause, 0, pause, pause, pause)


def test_a_model_without_a_separator_says_none():
    speller = Speller({"a": 1, "b": 2}, size=3, blank=0, separator=None, romanise=str)
    assert speller.spell(["a", "b"]).tokens == (1, 2)
    assert speller.spell(["a", "b"]).owners == (0, 1)


def test_a_word_begins_behind_the_separator_though_its_letter_is_likelier_before(aligner):
    saying = emissions_saying(["<pad>", "I", "A", "|", "<pad>", "M", "<pad>"])
    saying[4, VOCABULARY["A"]] = saying[4].max() - 2
    (found,) = aligner.align_emissions([saying], [8 * HOP], [words("i am")])
    assert found.words[1].start_sample == 40 + 4 * HOP


@settings(deadline=None, max_examples=25)
@given(
    batch=st.lists(
        st.tuples(
            st.lists(st.text("abcxyz'é7. ß", min_size=1, max_size=6), max_size=6), st.integers(0, 24_000), st.integers()
        ),
        min_size=1,
        max_size=4,
    ),
    shifts=st.tuples(st.integers(-2000, 2000), st.integers(-2000, 2000)),
)
def test_spans_are_ordered_disjoint_and_inside_whatever_comes(aligner, batch, shifts):
    aligner._config = aligner._config.model_copy(
        update={"onset_shift_samples": shifts[0], "offset_shift_samples": shifts[1]}
    )
    asked = [[SpokenWord(word, 0, 1) for word in row] for row, _, _ in batch]
    waveforms = [noise(size / 16_000, seed % 1000) for _, size, seed in batch]
    found = aligner.align_batch(waveforms, asked)
    aligner._config = aligner._config.model_copy(update={"onset_shift_samples": 0, "offset_shift_samples": 0})
    for alignment, row, waveform in zip(found, asked, waveforms, strict=True):
        if isinstance(alignment, RecordError):
            assert alignment.code == "alignment_failed"
            continue
        check_spans(alignment.words, row, num_samples=len(waveform))
        assert all(word.score <= 0.0 for word in alignment.words)


def test_a_recording_that_fails_stands_alone(aligner):
    waveforms = [noise(1.0), noise(0.01), noise(1.0), noise(0.2)]
    found = aligner.align_batch(waveforms, [words("hello"), words("a"), [], words("far too many letters for it")])
    assert isinstance(found[0], Alignment)
    assert [type(one) for one in found[1:]] == [RecordError] * 3
    assert "too short" in found[1].detail
    assert "no words" in found[2].detail
    assert "characters" in found[3].detail
    with pytest.raises(RecordError, match="too short"):
        aligner.align(waveforms[1], words("a"))


def test_the_fingerprint_is_that_of_weights_and_settings(tmp_path, layer_folder):
    other = make_folder(tmp_path, norm="layer", normalise=True, seed=1)
    base = CtcConfig(model=str(layer_folder))
    assert base.fingerprint == CtcConfig(model=str(layer_folder), device="cpu", batch_s=7.0).fingerprint
    assert base.fingerprint != CtcConfig(model=str(other)).fingerprint
    assert base.fingerprint != CtcConfig(model=str(layer_folder), onset_shift_samples=5).fingerprint


def test_what_is_missing_is_named_with_the_command_that_gets_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match=r"hf download nobody/no-such-model"):
        CtcConfig(model="nobody/no-such-model").load()
    with pytest.raises(UserError, match=r"curl -LO https://.*ctc_alignment_mling_uroman/model\.pt"):
        CtcConfig(model="torchaudio:MMS_FA").load()
    with pytest.raises(UserError, match="no CTC bundle 'HUBERT_BASE'"):
        CtcConfig(model="torchaudio:HUBERT_BASE", weights=str(tmp_path)).load()
    with pytest.raises(UserError, match="must hold config"):
        CtcConfig(model=str(tmp_path)).load()


def test_a_folder_of_another_model_is_refused(tmp_path, layer_folder):
    for path in layer_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"architectures": ["Wav2Vec2Model"]}))
    with pytest.raises(UserError, match="not a Wav2Vec2ForCTC"):
        CtcConfig(model=str(tmp_path)).load()


@pytest.mark.parametrize("mode", ["group_norm", "layer_norm"])
def test_a_torchaudio_bundle_runs_from_a_file(tmp_path, monkeypatch, mode):
    """A bundle as torchaudio describes them, but small; its weights carry fairseq's three unused rows."""
    import torchaudio
    from torchaudio.models import wav2vec2_model
    from torchaudio.pipelines import Wav2Vec2ASRBundle

    parameters = {
        "extractor_mode": mode,
        "extractor_conv_layer_config": [(16, 10, 5), (16, 8, 8), (16, 8, 8)],
        "extractor_conv_bias": mode == "layer_norm",
        "encoder_embed_dim": 32,
        "encoder_projection_dropout": 0.0,
        "encoder_pos_conv_kernel": 16,
        "encoder_pos_conv_groups": 4,
        "encoder_num_layers": 1,
        "encoder_num_heads": 2,
        "encoder_attention_dropout": 0.0,
        "encoder_ff_interm_features": 64,
        "encoder_ff_interm_dropout": 0.0,
        "encoder_dropout": 0.0,
        "encoder_layer_norm_first": mode == "layer_norm",
        "encoder_layer_drop": 0.0,
        "aux_num_out": 6,
    }
    bundle = Wav2Vec2ASRBundle(
        "tiny.pth", parameters, _labels=("|", "A", "B", "C", "D"), _sample_rate=16_000, _normalize_waveform=True,
        _model_type="Wav2Vec2",
    )  # fmt: skip
    monkeypatch.setattr(torchaudio.pipelines, "TINY_ASR", bundle, raising=False)
    torch.manual_seed(0)
    network = wav2vec2_model(**parameters).eval()
    state = network.state_dict()
    for key in ("aux.weight", "aux.bias"):
        unused = torch.randn(3, *state[key].shape[1:])
        state[key] = torch.cat([state[key][:1], unused, state[key][1:]])
    torch.save(state, tmp_path / "tiny.pth")

    config = CtcConfig(model="torchaudio:TINY_ASR", weights=str(tmp_path), device="cpu")
    aligner = config.load()
    waveforms = [noise(1.0), noise(0.9, 1)]
    normalised = torch.nn.functional.layer_norm(torch.from_numpy(waveforms[1]), (len(waveforms[1]),))
    with torch.inference_mode():
        expected = network(normalised[None])[0][0].log_softmax(-1)
    assert torch.allclose(aligner.emissions(waveforms)[1], expected, atol=2e-4)
    (found, _) = aligner.align_batch(waveforms, [words("abba cab"), words("dad")])
    check_spans(found.words, words("abba cab"), num_samples=len(waveforms[0]))
    assert config.fingerprint != CtcConfig(model="torchaudio:TINY_ASR", weights=str(tmp_path), window_s=9).fingerprint

    (tmp_path / "tiny.pth").write_bytes(b"no weights")
    with pytest.raises(UserError, match=r"tiny\.pth holds no weights of torchaudio:TINY_ASR"):
        CtcConfig(model="torchaudio:TINY_ASR", weights=str(tmp_path), device="cpu").load()
