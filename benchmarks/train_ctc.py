"""Trains a small ``Wav2Vec2ForCTC`` on synthetic speech with exact word times; about 16 minutes on one core.

    python -m benchmarks.synthetic_speech SPEECH
    python -m benchmarks.train_ctc SPEECH MODEL [--steps 1200]
    python -m benchmarks.train_ctc SPEECH SPIKES --labels spikes --start MODEL --steps 150

MODEL becomes a folder that ``transformers`` opens: config, safetensors, tokenizer, feature extractor. It stands in
for released models, which cannot be had from a package registry: same architecture, 16 kHz samples in, one frame
every 20 ms, characters and ``|`` out. As the times are known, each frame has a label, and the loss is the cross entropy
of the frames plus a tenth of the CTC loss. A word's letters share its time evenly, its last frame is ``|``, a letter
said twice has a blank between. With ``--labels spikes`` a letter is said in its first frame alone and the rest is
blank, as released models do; whisperx' align can follow only such a model, as it knows no letter that lasts. A run that
was stopped goes on where it was.
"""

import argparse
import json
import math
import random
import time
from pathlib import Path

import numpy as np
import torch
from transformers import (
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    Wav2Vec2Processor,
)

from benchmarks.synthetic_speech import Spoken, read
from pipelines.fit.training_state import TrainingState

BLANK, SEPARATOR = 0, 4
VOCABULARY = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4, "'": 5} | {
    letter: 6 + index for index, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
}
CONFIG = Wav2Vec2Config(
    vocab_size=len(VOCABULARY),
    hidden_size=192,
    num_hidden_layers=3,
    num_attention_heads=4,
    intermediate_size=512,
    conv_dim=(64, 96, 128, 192),
    conv_kernel=(20, 6, 4, 2),
    conv_stride=(10, 4, 4, 2),
    num_feat_extract_layers=4,
    conv_bias=True,
    feat_extract_norm="layer",
    do_stable_layer_norm=True,
    num_conv_pos_embeddings=32,
    num_conv_pos_embedding_groups=8,
    hidden_dropout=0.05,
    attention_dropout=0.05,
    activation_dropout=0.0,
    feat_proj_dropout=0.05,
    final_dropout=0.0,
    layerdrop=0.0,
    mask_time_prob=0.0,
    mask_feature_prob=0.0,
    pad_token_id=BLANK,
)
HOP_SAMPLES, FIELD_SAMPLES = 320, 350
BATCH_SAMPLES = 16_000 * 32
PEAK_RATE, WARMUP_STEPS = 1.5e-3, 50


def frame_labels(spoken: Spoken, *, spikes: bool) -> torch.Tensor:
    """The token that each frame should say; int64, shape ``(frames,)``. A frame stands for its middle sample."""
    frames = (len(spoken.waveform) - FIELD_SAMPLES) // HOP_SAMPLES + 1
    labels = torch.full((frames,), BLANK)
    for word, span in zip(spoken.words, spoken.spans, strict=True):
        first, last = (round((edge - FIELD_SAMPLES / 2) / HOP_SAMPLES + 0.5) for edge in (span.start, span.end))
        first, last = max(0, first), min(last, frames)
        letters = [VOCABULARY[char] for char in word.upper()]
        edges = [round(first + (last - 1 - first) * k / len(letters)) for k in range(len(letters) + 1)]
        for k, token in enumerate(letters):
            labels[edges[k] : edges[k] + 1 if spikes else edges[k + 1]] = token
            if not spikes and k and letters[k - 1] == token and edges[k + 1] - edges[k] > 1:
                labels[edges[k]] = BLANK
        if last > first:
            labels[last - 1] = SEPARATOR
    return labels


def batches(recordings: list[Spoken], rng: random.Random) -> list[list[Spoken]]:
    """One epoch: recordings of like length together, at most ``BATCH_SAMPLES`` padded samples a batch."""
    order = sorted(recordings, key=lambda item: (len(item.waveform) * rng.uniform(0.9, 1.1), item.name))
    groups: list[list[Spoken]] = [[]]
    for item in order:
        longest = max(len(other.waveform) for other in [*groups[-1], item])
        if groups[-1] and longest * (len(groups[-1]) + 1) > BATCH_SAMPLES:
            groups.append([])
        groups[-1].append(item)
    rng.shuffle(groups)
    return groups


def loss_of(model: Wav2Vec2ForCTC, batch: list[Spoken], rng: np.random.Generator, *, spikes: bool) -> torch.Tensor:
    longest = max(len(item.waveform) for item in batch)
    audio = np.zeros((len(batch), longest), dtype=np.float32)
    mask = np.zeros((len(batch), longest), dtype=np.int64)
    for row, item in enumerate(batch):
        gain, noise = 10 ** rng.uniform(-0.6, 0.3), 10 ** rng.uniform(-4.5, -2.5)
        size = len(item.waveform)
        audio[row, :size] = item.waveform * gain + rng.normal(0, noise, size)
        mask[row, :size] = 1
    labels = [frame_labels(item, spikes=spikes) for item in batch]
    frame_target = torch.nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=-100)
    logits = model(torch.from_numpy(audio), attention_mask=torch.from_numpy(mask)).logits
    logits = logits[:, : frame_target.shape[1]]
    by_frame = torch.nn.functional.cross_entropy(logits.transpose(1, 2), frame_target, label_smoothing=0.02)
    texts = [torch.tensor([VOCABULARY[char] for char in "|".join(item.words).upper() + "|"]) for item in batch]
    by_text = torch.nn.functional.ctc_loss(
        logits.log_softmax(-1).transpose(0, 1),
        torch.nn.utils.rnn.pad_sequence(texts, batch_first=True),
        torch.tensor([len(item) for item in labels]),
        torch.tensor([len(item) for item in texts]),
        zero_infinity=True,
    )
    return by_frame + 0.1 * by_text


def save(model: Wav2Vec2ForCTC, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(VOCABULARY))
    tokenizer = Wav2Vec2CTCTokenizer(str(folder / "vocab.json"))
    extractor = Wav2Vec2FeatureExtractor(do_normalize=False, return_attention_mask=True)
    Wav2Vec2Processor(extractor, tokenizer).save_pretrained(folder)
    model.save_pretrained(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("speech", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--labels", choices=["lasting", "spikes"], default="lasting")
    parser.add_argument("--start", type=Path, help="a model of this script to start from")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    recordings = read(arguments.speech / "train")
    model = (Wav2Vec2ForCTC.from_pretrained(arguments.start) if arguments.start else Wav2Vec2ForCTC(CONFIG)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, weight_decay=0.01, betas=(0.9, 0.98))
    checkpoint = arguments.model / "training.pt"
    state = TrainingState(model=model, optimizer=optimizer)
    state.restore(checkpoint)
    started, epoch = time.process_time(), 0
    planned: list[list[Spoken]] = []
    while len(planned) < arguments.steps:
        planned += batches(recordings, random.Random(epoch))
        epoch += 1
    smooth = math.nan
    for step in range(state.step, arguments.steps):
        rate = min(1.0, (step + 1) / WARMUP_STEPS) * 0.5 * (1 + math.cos(math.pi * step / arguments.steps))
        for group in optimizer.param_groups:
            group["lr"] = PEAK_RATE * rate
        loss = loss_of(model, planned[step], np.random.default_rng([7, step]), spikes=arguments.labels == "spikes")
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        state.step = done = step + 1
        smooth = loss.item() if math.isnan(smooth) else 0.95 * smooth + 0.05 * loss.item()
        if done % 50 == 0 or done == arguments.steps:
            print(f"step {done} loss {smooth:.3f} cpu {time.process_time() - started:.0f} s", flush=True)
            save(model, arguments.model)
            state.save(checkpoint)


if __name__ == "__main__":
    main()
