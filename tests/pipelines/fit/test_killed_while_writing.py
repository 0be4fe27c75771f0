"""A fit that is killed while it writes its result leaves the old one, the new one or none, and no card of another."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pipelines.fit.hubert import HubertFitConfig, _publish
from pipelines.fit.hubert_network import build_model
from pipelines.fit.report import FitData
from pipelines.fit.style import StyleFitConfig, fit_style
from pipelines.fit.vocoder_save import save_vocoder
from schemas.errors import UserError
from schemas.records import SourceRow, Utterance
from tests.pipelines.fit.listed import Listed
from transforms.style.prosody import ProsodyStyleConfig
from transforms.units.hubert import HubertUnitsConfig
from transforms.vocoder.description import Architecture, SpokenStream, VocoderDescription
from transforms.vocoder.hifigan import HifiganConfig

_CHANGES = ("open", "os.mkdir", "os.remove", "os.rename", "os.rmdir")
_KILLED = 9
Fit = Callable[[Path, int], None]
Fingerprint = Callable[[Path], str]


def killed_at(change: int, work: Callable[[], None], folder: Path) -> bool:
    """Do the work in a process that is killed at its ``change``-th change of the folder; whether there were so many.

    A file that is opened to be written is changed twice: as it is emptied, and as it is left so.
    """
    left = change

    def step(emptied: str | None = None) -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            return
        if emptied is not None:
            os.close(os.open(emptied, os.O_WRONLY | os.O_CREAT | os.O_TRUNC))
        os._exit(_KILLED)

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if left < 0 or event not in _CHANGES or not str(arguments[0]).startswith(str(folder)):
            return
        writes = event == "open" and bool(int(str(arguments[2])) & (os.O_WRONLY | os.O_RDWR))
        if event != "open" or writes:
            step()
        if writes:
            step(str(arguments[0]))

    child = os.fork()
    if not child:
        sys.addaudithook(watch)
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, _KILLED)
    return code == _KILLED


def style(output: Path, seed: int) -> None:
    @Listed
    def recordings():
        for number in range(3):
            noise = np.random.default_rng([seed, number]).normal(0, 0.1, 80_000).astype(np.float32)
            yield Utterance(SourceRow(str(number), "", ""), noise, str(number))

    fit_style(recordings, StyleFitConfig(clusters=4, device="cpu"), seed=seed, output=output, say=lambda _: None)


def hubert(output: Path, seed: int) -> None:
    architecture = {"hidden_size": 8, "num_hidden_layers": 1 + seed, "num_attention_heads": 2, "intermediate_size": 8}
    architecture |= {"conv_dim": [8] * 7, "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2}
    model = output.with_name(f"model-{seed}")
    if not model.exists():
        build_model(architecture, seed=seed).save(model)
    _publish(model, output, FitData(), HubertFitConfig(), seed=seed, figures={})


def fingerprint_of_hubert(output: Path) -> str:
    layers = json.loads((output / "model" / "config.json").read_text())["num_hidden_layers"]
    config = HubertUnitsConfig(model=str(output / "model"), layer=layers, codebook="", device="cpu")
    config.load_features()
    return config.features_fingerprint


def fingerprint_of_style(output: Path) -> str:
    config = ProsodyStyleConfig(codebook=str(output / "style.npz"))
    config.load()
    return config.fingerprint


def vocoder(output: Path, seed: int) -> None:
    torch.manual_seed(seed)
    description = VocoderDescription(
        architecture=Architecture(),
        speakers=("ann", f"bob {seed}"),
        streams={"units": SpokenStream(fingerprint="f", hop_samples=640, codebook_size=4)},
    )
    save_vocoder(output, description, {"durations": torch.nn.Linear(2, 2)}, card=lambda fingerprint: fingerprint)


def fingerprint_of_vocoder(output: Path) -> str:
    return HifiganConfig(path=str(output)).fingerprint


def opened(output: Path, fingerprint: Fingerprint) -> str | None:
    try:
        return fingerprint(output)
    except (UserError, FileNotFoundError):
        return None


@pytest.mark.parametrize(
    ("fit", "fingerprint"),
    [(style, fingerprint_of_style), (hubert, fingerprint_of_hubert), (vocoder, fingerprint_of_vocoder)],
    ids=["style", "hubert", "vocoder"],
)
def test_a_killed_fit_leaves_the_old_the_new_or_none(fit: Fit, fingerprint: Fingerprint, tmp_path: Path) -> None:
    output, both = tmp_path / "out", []
    for seed in (1, 0):
        fit(output, seed)
        both.append(fingerprint(output))
    seen, change = set(), 0
    while killed_at(change, lambda: fit(output, 1), output):
        found = opened(output, fingerprint)
        assert found in (*both, None)
        for card in output.glob("card.*"):
            assert found is not None
            assert found in card.read_text()
        seen.add(found)
        fit(output, 0)
        assert fingerprint(output) == both[1]
        change += 1
    assert seen >= set(both)
    assert fingerprint(output) == both[0]
    assert not [path for path in output.glob(".partial-*") if path.is_dir()]
