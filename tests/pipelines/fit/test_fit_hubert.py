"""`plait fit hubert`: a tiny model learns, resumes exactly, and its folder is taken by the units backend."""

import json
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from transformers import HubertModel

from pipelines.fit import hubert_training
from pipelines.fit.hubert import HubertFitConfig
from pipelines.fit.hubert_data import Batches, Crops, MaskedBatch, TargetedRecordings
from pipelines.fit.hubert_network import Geometry, build_model
from pipelines.fit.hubert_targets import mfcc_39
from pipelines.fit.job import fit
from schemas.errors import EngineError, UserError
from schemas.records import SourceRow, Utterance
from tests.pipelines.conftest import write_table
from transforms.units.hubert import HubertUnitsConfig

AUDIO = Path("examples/asterisk-en/audio")
IDS = ("hello-world", "queue-thankyou", "vm-review", "activated", "agent-incorrect", "added")
ARCHITECTURE = (
    "{hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 64, "
    "conv_dim: [16, 16, 16, 16, 16, 16, 16], num_conv_pos_embeddings: 16, num_conv_pos_embedding_groups: 4}"
)
JOB = """\
output: {output}
seed: 3
ingest: {{kind: table, path: {table}}}
fit:
  architecture: {architecture}
  iterations:
    - {{targets: mfcc, clusters: 12, steps: 12}}
    - {{targets: layer, layer: 1, clusters: 8, steps: 4}}
  batch_s: 6
  crop_s: 2
  learning_rate: 0.003
  save_every: 4
  device: cpu
"""


@pytest.fixture(scope="module")
def job_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hubert")
    write_table(folder / "corpus.tsv", IDS, {})
    path = folder / "job.yaml"
    path.write_text(JOB.format(output=folder / "whole", table=folder / "corpus.tsv", architecture=ARCHITECTURE))
    return path


@pytest.fixture(scope="module")
def whole(job_file):
    lines = []
    figures = fit("hubert", str(job_file), overrides=[], say=lines.append)
    return job_file.parent / "whole", figures, lines


def weights(folder):
    return HubertModel.from_pretrained(folder / "model").state_dict()


def test_the_model_is_a_units_backend_and_the_card_names_it(whole, job_file):
    folder, figures, _ = whole
    assert 0 < figures["iteration_1_masked_accuracy"] <= 1
    card = json.loads((folder / "card.json").read_text())
    assert card["fitted_on"]["utterances"] == len(IDS)
    config = HubertUnitsConfig(model=str(folder / "model"), layer=2, codebook="none.npz", device="cpu")
    assert card["fingerprint"] == config.features_fingerprint
    (features,) = config.load_features().features([np.zeros(5000, np.float32)])
    assert features.shape == (16, 32)
    units = job_file.parent / "units"
    units_job = job_file.parent / "units.yaml"
    units_job.write_text(job_file.read_text().partition("fit:")[0])
    fit(
        "units",
        str(units_job),
        overrides=[
            f"output={units}",
            f"fit.encoder={{kind: hubert, model: {folder / 'model'}, layer: 1, device: cpu}}",
            "fit.clusters=8",
            "fit.components=8",
        ],
        say=lambda _: None,
    )
    assert (units / "codebook.npz").exists()


def test_a_killed_training_goes_on_to_the_same_weights(whole, job_file, monkeypatch):
    folder = job_file.parent / "killed"
    calls = []

    class KilledError(Exception):
        pass

    def dies(self, step, *, rank, world):
        calls.append(step)
        if len(calls) == 7:
            raise KilledError
        return batch(self, step, rank=rank, world=world)

    batch = Batches.batch
    monkeypatch.setattr(Batches, "batch", dies)
    with pytest.raises(KilledError):
        fit("hubert", str(job_file), overrides=[f"output={folder}"], say=lambda _: None)
    fit("hubert", str(job_file), overrides=[f"output={folder}"], say=lambda _: None)
    assert calls[7] == 4  # from the last checkpoint, not from the start
    expected = weights(whole[0])
    for name, tensor in weights(folder).items():
        assert torch.equal(tensor, expected[name]), name


def test_another_corpus_in_the_same_folder_is_not_trained_on_the_last_ones_targets(whole, job_file):
    lines = []
    fit("hubert", str(job_file), overrides=["limit=3"], say=lines.append)
    assert "iteration 0: targets from mfcc" in lines
    again = []
    fit("hubert", str(job_file), overrides=[], say=again.append)
    assert not [line for line in again if "targets" in line or "step" in line]  # all of it was there already


def test_targets_are_made_again_for_other_frames_and_never_used_for_other_audio(job_file, tmp_path):
    corpus = tmp_path / "corpus.tsv"
    for name in IDS:
        shutil.copy(AUDIO / f"{name}.flac", tmp_path)
    corpus.write_text("id\taudio\ttext\n" + "".join(f"{name}\t{name}.flac\t{name}\n" for name in IDS))
    there = [f"output={tmp_path / 'out'}", f"ingest.path={corpus}"]
    fit("hubert", str(job_file), overrides=there, say=lambda _: None)
    lines = []
    fit("hubert", str(job_file), overrides=[*there, "fit.max_frames=200"], say=lines.append)
    assert "iteration 0: targets from mfcc" in lines
    changed, kept = tmp_path / f"{IDS[1]}.flac", tmp_path / f"{IDS[2]}.flac"
    shutil.copy(kept, changed)
    with pytest.raises(UserError, match=rf"{IDS[1]}.*is not the audio that its targets were made of"):
        fit("hubert", str(job_file), overrides=[*there, "fit.learning_rate=0.001"], say=lambda _: None)
    (tmp_path / "out" / "card.json").unlink()
    with pytest.raises(UserError, match=rf"{IDS[1]}.*is not what the model learnt from \(it is another file"):
        fit("hubert", str(job_file), overrides=there, say=lambda _: None)
    changed.unlink()
    with pytest.raises(UserError, match=rf"{IDS[1]} could be read before"):
        fit("hubert", str(job_file), overrides=[*there, "fit.learning_rate=0.001"], say=lambda _: None)
    with pytest.raises(UserError, match=rf"{IDS[1]}.*is not what the model learnt from \(no audio file at"):
        fit("hubert", str(job_file), overrides=there, say=lambda _: None)
    assert not (tmp_path / "out" / "card.json").exists()
    shutil.copy(AUDIO / changed.name, changed)
    fit("hubert", str(job_file), overrides=there, say=lambda _: None)
    assert (tmp_path / "out" / "card.json").exists()


def test_a_resumed_fit_says_what_was_left_out_and_other_recordings_have_other_targets(job_file, tmp_path):
    write_table(tmp_path / "corpus.tsv", IDS, {"gone": (str(tmp_path / "gone.flac"), "")})
    out = tmp_path / "out"
    there = [
        f"output={out}",
        f"ingest.path={tmp_path / 'corpus.tsv'}",
        "fit.iterations=[{targets: mfcc, clusters: 4, steps: 1}]",
    ]

    def left_out(*more):
        lines = []
        fit("hubert", str(job_file), overrides=[*there, *more], say=lines.append)
        made = "iteration 0: targets from mfcc" in lines
        return json.loads((out / "card.json").read_text())["fitted_on"]["left_out"], made

    assert left_out() == ({"decode/missing_file": 1}, True)
    (out / "card.json").unlink()
    assert left_out() == ({"decode/missing_file": 1}, False)
    (made,) = (out / "work").glob("*.npz")
    made.write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"cannot go on from .*targets-0-\w+\.npz"):
        left_out()
    assert left_out("max_duration_s=2") == ({"decode/missing_file": 1, "decode/too_long": 2}, True)


RANK = """\
import json, sys
from pipelines.fit.job import fit
print(json.dumps(fit("hubert", sys.argv[1], overrides=sys.argv[2:], say=print)))
"""


def test_two_processes_train_one_model_on_their_shares_and_the_first_one_tells(job_file):
    """Each judges its own copy: had they not learnt from each other's share, their figures would differ."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    folder = job_file.parent / "two"
    table = folder.with_suffix(".tsv")
    write_table(table, IDS, {})
    table.write_text(table.read_text() + "one cell\n")
    steps = "fit.iterations=[{targets: mfcc, clusters: 12, steps: 4}]"
    overrides = [f"output={folder}", f"ingest.path={table}", steps]
    group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, str(job_file), *overrides],
            env=os.environ | group | {"RANK": rank, "LOCAL_RANK": rank},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in "01"
    ]
    told = [process.communicate(timeout=120)[0].splitlines() for process in ranks]
    figures = [json.loads(lines[-1]) for lines in told]
    assert [process.returncode for process in ranks] == [0, 0]
    assert [any(line.startswith("left out") for line in lines) for lines in told] == [True, False]
    assert figures[0] == figures[1]
    assert figures[0]["iteration_0_masked_loss"] > 0
    two, alone = weights(folder), folder.with_name("micro")
    overrides = [f"output={alone}", *overrides[1:], "fit.micro_batches=2"]
    figures.append(fit("hubert", str(job_file), overrides=overrides, say=lambda _: None))
    assert figures[2] == pytest.approx(figures[0], rel=1e-4)
    for name, tensor in weights(alone).items():
        torch.testing.assert_close(tensor, two[name], rtol=0, atol=1e-5)


def test_a_training_that_diverges_ends_and_publishes_nothing(job_file):
    folder = job_file.parent / "diverged"
    overrides = [
        f"output={folder}",
        "fit.iterations=[{targets: mfcc, clusters: 12, steps: 8}]",
        "fit.learning_rate=1e30",
    ]
    with pytest.raises(EngineError, match=r"the gradient of HuBERT is not finite at step \d; lower its"):
        fit("hubert", str(job_file), overrides=overrides, say=lambda _: None)
    assert not (folder / "model").exists()


def test_the_loss_falls(job_file, monkeypatch):
    losses = []
    real = hubert_training.functional.cross_entropy

    def watched(logits, wanted, **options):
        loss = real(logits, wanted, **options)
        if not options:
            losses.append(loss.item())
        return loss

    monkeypatch.setattr(hubert_training.functional, "cross_entropy", watched)
    overrides = [
        f"output={job_file.parent / 'longer'}",
        "fit.iterations=[{targets: mfcc, clusters: 12, steps: 25}]",
        "fit.batch_s=6",
    ]
    fit("hubert", str(job_file), overrides=overrides, say=lambda _: None)
    assert np.mean(losses[-5:]) < np.mean(losses[:4]) - 0.1


def fake_targets(lengths) -> TargetedRecordings:
    """Noise for recordings, and the frame's number for its cluster."""

    class FakeRecordings:
        rows = ()

        def __call__(self):
            return iter(())

        def read(self, index):
            waveform = np.random.default_rng(index).normal(0, 0.1, 320 * lengths[index]).astype(np.float32)
            return Utterance(SourceRow(str(index), "", ""), waveform, str(index))

    starts = np.concatenate([[0], np.cumsum(lengths)])
    ids = np.concatenate([np.arange(length) for length in lengths]).astype(np.uint16)
    samples = 320 * np.array(lengths)
    digests = np.arange(len(lengths)).astype(str)
    return TargetedRecordings(FakeRecordings(), np.arange(len(lengths)), samples, starts, digests, ids, {})


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=2, max_size=9), st.integers(1, 4), st.integers(0, 5))
def test_processes_share_each_batch_and_targets_lie_under_their_mask(lengths, world, step):
    crops = Crops(batch_s=1.5, crop_s=0.6, mask_share=0.1, mask_frames=5)
    batches = Batches(fake_targets(lengths), Geometry(320, 80), crops=crops, seed=1)
    assert sorted(i for s in range(len(lengths)) for i in batches.chosen(s)) == sorted(
        batches.size * list(range(len(lengths)))
    )
    alone = batches.batch(step, rank=0, world=1)
    shares = [batches.batch(step, rank=rank, world=world) for rank in range(world)]
    if world <= batches.size:
        assert sum(len(share.samples) for share in shares) == len(alone.samples) == batches.size
        everything = sorted(int(target) for share in shares for target in share.targets)
        assert everything == sorted(alone.targets.tolist())
    assert int(alone.masked.sum()) == len(alone.targets) > 0
    assert not (alone.masked & ~alone.inside).any()
    frames = alone.inside.sum(1)
    assert alone.samples.shape[1] == 320 * int(frames.max()) + 80
    assert (alone.masked.sum(1) > 0).all()


@given(st.lists(st.booleans(), min_size=2, max_size=90).filter(lambda found: sum(found) > 1), st.integers(1, 3))
def test_a_recording_is_kept_apart_at_all_speeds_or_none(found, speeds):
    """Some of the corpus cannot be read at all, and are in no targets."""
    corpus = len(found)
    places = np.flatnonzero(found * speeds)
    data = replace(fake_targets([1] * len(places)), places=places)
    learnt, apart = (set((part.places % corpus).tolist()) for part in data.split(every=40, corpus=corpus))
    assert learnt
    assert apart
    assert not learnt & apart
    assert len(learnt | apart) == sum(found)


def test_more_speeds_are_more_to_learn_and_no_more_data(whole, job_file):
    folder = job_file.parent / "speeds"
    overrides = [
        f"output={folder}",
        "fit.speeds=[1, 0.8]",
        "fit.iterations=[{targets: mfcc, clusters: 12, components: 13, steps: 2}]",
    ]
    figures = fit("hubert", str(job_file), overrides=overrides, say=lambda _: None)
    assert figures["iteration_0_masked_loss"] > 0
    cards = [json.loads((path / "card.json").read_text()) for path in (whole[0], folder)]
    assert cards[0]["fitted_on"] == cards[1]["fitted_on"]
    with np.load(next((folder / "work").glob("targets-0-*.npz"))) as targets:
        assert len(targets["samples"]) == 2 * len(IDS)
        first, second = np.split(targets["samples"], 2)
        assert np.abs(second * 0.8 - first).max() <= 1


def test_recordings_of_like_length_go_together():
    lengths = np.random.default_rng(0).integers(10, 100, 200).tolist()
    crops = Crops(batch_s=10.0, crop_s=3.0, mask_share=0.1, mask_frames=5)
    batches = Batches(fake_targets(lengths), Geometry(320, 80), crops=crops, seed=1)
    whole = range(len(lengths) // batches.size)
    spreads = [max(chosen) - min(chosen) for chosen in ([lengths[i] for i in batches.chosen(step)] for step in whole)]
    assert batches.size > 5
    assert np.mean(spreads) < 20
    assert {tuple(batches.chosen(step)) for step in whole} != {
        tuple(batches.chosen(step + len(whole))) for step in whole
    }


def test_the_losses_of_masked_and_heard_frames_are_weighed():
    torch.manual_seed(0)
    logits_BTK = torch.randn(2, 7, 5)
    inside = torch.ones(2, 7, dtype=torch.bool)
    inside[1, 5:] = False
    masked = torch.zeros_like(inside)
    masked[0, 1:4] = masked[1, 2] = True
    batch = MaskedBatch(torch.zeros(2, 10), inside, masked, torch.randint(0, 5, (2, 7)))

    def model(samples, inside_BT, masked_BT, heard_BT):
        return torch.cat([logits_BTK[masked_BT], logits_BTK[heard_BT]])

    def alone(chosen):
        return torch.nn.functional.cross_entropy(logits_BTK[chosen], batch.clusters[chosen])

    cpu = torch.device("cpu")
    for weight in (1.0, 0.5, 0.2):
        expected = weight * alone(masked) + (1 - weight) * alone(inside & ~masked)
        assert hubert_training._loss(model, batch, cpu, weight) == pytest.approx(float(expected), rel=1e-5)


def test_mfccs_have_a_row_a_frame():
    for num_samples in (0, 1, 319, 320, 321, 5000):
        found = mfcc_39(np.zeros(num_samples, np.float32), hop_samples=320)
        assert found.shape == (-(-num_samples // 320), 39)


def test_mistakes_are_the_users(job_file):
    with pytest.raises(UserError, match="no such key"):
        build_model({"hidden_sizes": 3}, seed=0)
    for architecture, message in (
        ({"num_attention_heads": 5}, "num_attention_heads is 5, which does not divide hidden_size 768"),
        ({"num_attention_heads": 0}, "num_attention_heads is 0"),
        ({"conv_stride": [5, 2, 2, 2, 2, 2, 2.5]}, "conv_stride is"),
        ({"conv_dim": 3}, "fit.architecture: "),
        ({"hidden_act": "relu"}, "only 'gelu' is read"),
    ):
        with pytest.raises(UserError, match=message):
            build_model(architecture, seed=0)
    with pytest.raises(ValidationError, match="no model yet"):
        HubertFitConfig(iterations=({"targets": "layer", "layer": 1},))
    with pytest.raises(ValidationError, match="each stands once"):
        HubertFitConfig(speeds=(1, 1.1, 1.1))
    with pytest.raises(ValidationError, match="goes with"):
        HubertFitConfig(iterations=({"targets": "encoder"},))
    lines = []
    deep = ["fit.iterations=[{targets: mfcc, steps: 1}, {targets: layer, layer: 3, steps: 1}]"]
    with pytest.raises(UserError, match=r"fit\.iterations\.1\.layer: the model has 2 layers, not 3"):
        fit("hubert", str(job_file), overrides=[f"output={job_file.parent / 'wrong'}", *deep], say=lines.append)
    assert not lines, "before anything is made"
    overrides = [
        f"output={job_file.parent / 'wrong'}",
        "fit.architecture={hidden_size: 24, num_attention_heads: 2, num_hidden_layers: 1, intermediate_size: 24, "
        "conv_dim: [8, 8], conv_kernel: [30, 12], conv_stride: [30, 10], num_conv_pos_embeddings: 4, "
        "num_conv_pos_embedding_groups: 2, num_feat_extract_layers: 2}",
        "fit.iterations=[{targets: encoder, encoder: {kind: whisper, device: cpu}, clusters: 4, steps: 1}]",
    ]
    with pytest.raises(UserError, match="targets every 640 samples"):
        fit("hubert", str(job_file), overrides=overrides, say=lambda _: None)
