"""`plait fit units` writes a codebook that the encoder takes, and a card that tells the truth."""

import json

import numpy as np
import pytest
import soundfile
import torch
from pydantic import ValidationError

from pipelines.fit.units import UnitsFitConfig, fit_units
from schemas.errors import UserError
from schemas.records import SourceRow, Utterance
from tests.pipelines.fit.listed import Listed
from transforms.kmeans import load_codebook
from transforms.units.whisper import WhisperUnitsConfig

NAMES = ("activated", "added", "agent-incorrect")


@Listed
def recordings():
    for name in NAMES:
        waveform = soundfile.read(f"examples/asterisk-en/audio/{name}.flac", dtype="float32")[0]
        row = SourceRow(name, f"{name}.flac", "", speaker="allison", licence="CC-BY-SA-3.0", source="asterisk")
        yield Utterance(row, waveform, name)


def fit(output, **changes):
    config = UnitsFitConfig(
        **{"encoder": {"kind": "whisper", "device": "cpu"}, "clusters": 20, "components": 16, **changes}
    )
    return fit_units(recordings, config, seed=7, output=output, say=lambda _: None)


def test_the_codebook_works_and_the_card_says_what_it_is(tmp_path):
    figures = fit(tmp_path / "a")
    config = WhisperUnitsConfig(codebook=str(tmp_path / "a" / "codebook.npz"), device="cpu")
    waveforms = [utterance.waveform for utterance in recordings()]
    ids = np.concatenate(config.load().encode(waveforms))
    assert config.codebook_size == 20
    assert len(np.unique(ids)) == 20
    card = json.loads((tmp_path / "a" / "card.json").read_text())
    assert card["fingerprint"] == config.fingerprint
    assert card["fitted_on"]["utterances"] == 3
    assert card["fitted_on"]["licences"] == {"CC-BY-SA-3.0": 3}
    assert card["fitted_on"]["hours"] == round(sum(map(len, waveforms)) / 16_000 / 3600, 4)
    assert card["settings"]["seed"] == 7
    assert set(card["figures"]) == set(figures)
    assert config.fingerprint in (tmp_path / "a" / "card.md").read_text()


def test_a_second_fit_gives_the_same_bytes(tmp_path):
    fit(tmp_path / "a")
    fit(tmp_path / "b")
    for name in ("codebook.npz", "card.json", "card.md"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_frames_beyond_the_memory_are_streamed_and_the_card_says_so(tmp_path):
    whole = fit(tmp_path / "a")
    streamed = fit(tmp_path / "b", memory_frames=100)
    assert streamed["frames"] == whole["frames"] > 100
    assert 0 < streamed["unexplained"] < 1
    cards = [json.loads((tmp_path / name / "card.json").read_text()) for name in ("a", "b")]
    assert "memory_frames" not in cards[0]["settings"], "it decides nothing"
    assert cards[1]["settings"]["memory_frames"] == 100
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == ["card.json", "card.md", "codebook.npz"]


@pytest.fixture
def labelled(tmp_path):
    """Two prompts with made-up phones of 80 ms, as TIMIT has them, and the same as an item file."""
    lines = ["#file onset offset #phone prev-phone next-phone speaker"]
    for name in NAMES[:2]:
        folder = tmp_path / "labelled" / f"speaker-{name}"
        folder.mkdir(parents=True)
        waveform = soundfile.read(f"examples/asterisk-en/audio/{name}.flac", dtype="float32")[0]
        soundfile.write(folder / f"{name}.wav", waveform, 16_000)
        spans = [(at, at + 1280, "aeiou"[place % 5]) for place, at in enumerate(range(0, len(waveform) - 1280, 1280))]
        (folder / f"{name}.phn").write_text("".join(f"{a} {b} {phone}\n" for a, b, phone in spans))
        lines += [f"{name} {a / 16_000} {b / 16_000} {phone} x y {name}" for a, b, phone in spans]
    (tmp_path / "dev.item").write_text("\n".join(lines) + "\n")
    return tmp_path / "labelled"


def test_known_phones_make_a_quality_report(labelled, tmp_path):
    figures = fit(tmp_path / "a", quality={"data": str(labelled)})
    assert 0 < figures["quality_pnmi"] < 1
    assert 1 < figures["quality_code_perplexity"] <= 20
    for name in ("features", "codebook_space", "centroids", "codes"):
        assert 0 < figures[f"quality_abx_error_of_{name}"] < 1
    assert figures["quality_abx_pairs_of_phones"] == 20
    by_items = fit(tmp_path / "b", quality={"data": str(labelled), "items": str(tmp_path / "dev.item")})
    assert "quality_pnmi" not in by_items
    for name in ("abx_error_of_features", "abx_error_of_codes", "abx_triples"):
        assert by_items[f"quality_{name}"] == pytest.approx(figures[f"quality_{name}"])
    assert "quality_pnmi" in json.loads((tmp_path / "a" / "card.json").read_text())["figures"]
    narrow = fit(tmp_path / "c", quality={"data": str(labelled), "context": "triphone", "max_items": 2})
    assert narrow["quality_abx_triples"] < figures["quality_abx_triples"]
    (tmp_path / "dev.item").write_text("#header\ngone 0 1 a b c d\n")
    with pytest.raises(UserError, match=r"quality\.items.*'gone'"):
        fit(tmp_path / "d", quality={"data": str(labelled), "items": str(tmp_path / "dev.item")})


@Listed
def unread():
    raise AssertionError("the corpus was read before the settings were checked")
    yield


def test_a_gpu_that_is_not_there_is_said_before_anything_is_encoded(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    config = UnitsFitConfig(encoder={"kind": "whisper", "device": "cpu"}, device="cuda")
    with pytest.raises(UserError, match="device: cuda: there is no usable GPU"):
        fit_units(unread, config, seed=0, output=tmp_path, say=lambda _: None)


WRONG_SETTINGS = {
    "fit.clusters: 50 clusters need as many frames, fit.memory_frames allows 40": {"memory_frames": 40},
    "fit.clusters: 50 clusters need as many frames, fit.max_frames allows 30": {"max_frames": 30, "memory_frames": 40},
    "fit.quality.data: no such folder: FOLDER/none": {"quality": {"data": "FOLDER/none"}},
    "no .phn below it": {"quality": {"data": "FOLDER"}},
    "wrong.item:2: expected `file onset": {"quality": {"data": "FOLDER", "items": "FOLDER/wrong.item"}},
    "fit units: fit.encoder.precisoin: unknown key; did you mean precision?": {
        "encoder": {"kind": "whisper", "precisoin": "fp32"}
    },
    "fit units: fit.encoder.codebook: it is what is fitted": {"encoder": {"kind": "whisper", "codebook": "bundled"}},
    "fit units: fit.encoder: FOLDER needs layer, ": {"encoder": {"kind": "hubert", "model": "FOLDER"}},
}


@pytest.mark.parametrize("message", WRONG_SETTINGS)
def test_wrong_settings_are_said_before_anything_is_encoded(message, tmp_path):
    (tmp_path / "wrong.item").write_text("#header\nactivated 0 end a b c d\n")
    settings = json.loads(json.dumps(WRONG_SETTINGS[message]).replace("FOLDER", str(tmp_path)))
    config = UnitsFitConfig(**{"encoder": {"kind": "whisper", "device": "cpu"}, "clusters": 50, **settings})
    with pytest.raises(UserError) as caught:
        fit_units(unread, config, seed=0, output=tmp_path / "out", say=lambda _: None)
    assert message.replace("FOLDER", str(tmp_path)) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_codebook_is_kept_whose_judgement_fails(labelled, tmp_path):
    (labelled / "speaker-added" / "added.wav").write_bytes(b"no audio")
    with pytest.raises(UserError, match=r"fit\.quality\.data: cannot read"):
        fit(tmp_path / "a", quality={"data": str(labelled)})
    assert load_codebook(tmp_path / "a" / "codebook.npz").size == 20


def test_mistakes_are_the_users(tmp_path):
    with pytest.raises(UserError, match="need as many frames"):
        fit(tmp_path / "a", clusters=50_000)
    with pytest.raises(UserError, match="did you mean whisper"):
        fit(tmp_path / "a", encoder={"kind": "wisper"})
    with pytest.raises(ValidationError):
        UnitsFitConfig(cluster=5)
    with pytest.raises(UserError, match="nothing to fit on"):
        fit_units(
            Listed(lambda: iter(())),
            UnitsFitConfig(encoder={"kind": "whisper", "device": "cpu"}),
            seed=0,
            output=tmp_path,
            say=lambda _: None,
        )
