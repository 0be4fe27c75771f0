"""The ``ctc`` aligner: exactness and speed of its Viterbi, onset errors beside whisperx, long recordings.

    python -m benchmarks.synthetic_speech SPEECH
    python -m benchmarks.train_ctc SPEECH MODEL
    python -m benchmarks.train_ctc SPEECH SPIKES --labels spikes --start MODEL --steps 150
    python -m benchmarks.ctc SPEECH MODEL --spikes SPIKES

All on one thread. Times of words are exact, as the speech is synthetic; neither the sentences nor their rarer words
were in the training part. whisperx' ``align`` gets the same model folder and a text a recording; its sentence
tokenizer, which is a download, is replaced by one that takes the whole text for one sentence. Its path stays in a
letter by way of blanks alone, so it is lost on MODEL, whose letters last; SPIKES says each letter once, as released
models do, and is the fair comparison.
"""

import argparse
import itertools
import json
import random
import resource
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchaudio

from benchmarks.record import save
from benchmarks.synthetic_speech import Spoken, read
from schemas.errors import RecordError
from schemas.records import SAMPLE_RATE_HZ, Span, SpokenWord
from transforms.align.ctc import CtcConfig
from transforms.align.ctc_aligner import CtcAligner
from transforms.align.protocol import Alignment
from transforms.align.viterbi import best_paths

END_SHIFT_SAMPLES = 320  # the models of benchmarks.train_ctc say the separator in a word's last frame


class WholeText:
    """A sentence tokenizer that finds one sentence."""

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(text))]


def forced_align(log_probs_TV: torch.Tensor, tokens: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    found: tuple[torch.Tensor, torch.Tensor] = torchaudio.functional.forced_align(
        log_probs_TV[None], torch.tensor([tokens])
    )
    return found


def random_case(rng: np.random.Generator, rows: int) -> tuple[torch.Tensor, list[int], list[list[int]]]:
    """Padded emissions, lengths of up to 400 frames, tokens that fit; a few of them repeat."""
    lengths = [int(length) for length in rng.integers(1, 400, rows)]
    vocabulary = int(rng.integers(2, 33))
    logits = torch.from_numpy(rng.normal(0, rng.uniform(0.5, 4), (rows, max(lengths), vocabulary)))
    tokens = []
    for length in lengths:
        row = rng.integers(1, vocabulary, int(rng.integers(1, length // 2 + 2))).tolist()
        while len(row) > 1 and len(row) + sum(a == b for a, b in itertools.pairwise(row)) > length:
            row.pop()
        tokens.append(row)
    return logits, lengths, tokens


def same_paths(log_probs: torch.Tensor, lengths: Sequence[int], tokens: Sequence[Sequence[int]]) -> int:
    same = 0
    for row, path in enumerate(best_paths(log_probs, lengths, tokens, blank=0)):
        expected, _ = forced_align(log_probs[row, : lengths[row]], tokens[row])
        assert path is not None
        spoken = np.where(path.places >= 0, np.asarray(tokens[row])[path.places], 0)
        same += bool(np.array_equal(spoken, expected[0].numpy()))
    return same


def equality(emissions: Sequence[torch.Tensor], texts: Sequence[list[int]]) -> dict[str, object]:
    """How many paths are those of ``forced_align``, to the frame."""
    found: dict[str, object] = {}
    for dtype in (torch.float32, torch.float64):
        rng = np.random.default_rng(0)
        same = 0
        for _ in range(125):
            logits, lengths, tokens = random_case(rng, 8)
            same += same_paths(logits.to(dtype).log_softmax(-1), lengths, tokens)
        found[f"random, {str(dtype).removeprefix('torch.')}"] = {"cases": 1000, "same": same}
    padded = torch.nn.utils.rnn.pad_sequence(list(emissions), batch_first=True)
    same = same_paths(padded, [len(one) for one in emissions], texts)
    found["held-out recordings"] = {"cases": len(texts), "same": same}
    return found


def seconds(run: Callable[[], object], repeats: int) -> float:
    """The quickest of several runs."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times)


def throughput(
    emissions: Sequence[torch.Tensor], texts: Sequence[list[int]], *, device: str, repeats: int
) -> dict[str, object]:
    """Milliseconds for all recordings, from emissions to paths."""
    from whisperx.alignment import backtrack, get_trellis

    lengths = [len(one) for one in emissions]
    padded = torch.nn.utils.rnn.pad_sequence(list(emissions), batch_first=True).to(device)
    there = [one.to(device) for one in emissions]

    def whisperx() -> None:
        for one, tokens in zip(emissions, texts, strict=True):
            backtrack(get_trellis(one, tokens, 0), one, tokens, 0)

    def torchaudio_() -> None:
        for one, tokens in zip(there, texts, strict=True):
            forced = torchaudio.functional.forced_align(one[None], torch.tensor([tokens], device=device))
            forced[0].cpu()

    ours = seconds(lambda: best_paths(padded, lengths, texts, blank=0), repeats)
    theirs = seconds(torchaudio_, repeats)
    row: dict[str, object] = {
        "recordings": len(texts),
        "mean_frames": round(float(np.mean(lengths))),
        "mean_tokens": round(float(np.mean([len(row) for row in texts]))),
        "plait_ms": round(ours * 1e3, 2),
        "forced_align_ms": round(theirs * 1e3, 2),
        "times_forced_align": round(theirs / ours, 2),
    }
    if device == "cpu":
        peer = seconds(whisperx, 2)
        row |= {"whisperx_ms": round(peer * 1e3, 1), "times_whisperx": round(peer / ours, 1)}
    return row


def join(recordings: Sequence[Spoken], name: str) -> Spoken:
    """Recordings one behind the other."""
    offsets = np.cumsum([0, *(len(item.waveform) for item in recordings)]).tolist()
    spans = [
        Span(span.start + offset, span.end + offset)
        for item, offset in zip(recordings, offsets, strict=False)
        for span in item.spans
    ]
    words = [word for item in recordings for word in item.words]
    return Spoken(name, np.concatenate([item.waveform for item in recordings]), tuple(words), tuple(spans))


def of_about(recordings: Sequence[Spoken], length_s: float, count: int) -> list[Spoken]:
    """``count`` recordings of at least ``length_s``, joined of others, and cut behind the last word that fits."""
    pool = itertools.cycle(random.Random(5).sample(list(recordings), len(recordings)))
    made = []
    for number in range(count):
        parts: list[Spoken] = []
        while sum(len(item.waveform) for item in parts) < length_s * SAMPLE_RATE_HZ:
            parts.append(next(pool))
        whole = join(parts, f"joined-{number}")
        end = round(length_s * SAMPLE_RATE_HZ)
        kept = sum(span.end < end for span in whole.spans)
        made.append(Spoken(whole.name, whole.waveform[:end], whole.words[:kept], whole.spans[:kept]))
    return made


def words_of(item: Spoken) -> list[SpokenWord]:
    return [SpokenWord(word, 0, 1) for word in item.words]


def errors_ms(found: Sequence[tuple[int, int] | None], item: Spoken) -> list[tuple[float, float]]:
    """Errors of starts and ends, of the words that were placed."""
    return [
        ((place[0] - span.start) / 16, (place[1] - span.end) / 16)
        for place, span in zip(found, item.spans, strict=True)
        if place is not None
    ]


def summary(errors: Sequence[tuple[float, float]], words: int) -> dict[str, object]:
    starts, ends = np.abs(np.array(errors)).T
    return {
        "words": words,
        "placed": len(errors),
        "onset_mean_ms": round(float(starts.mean()), 2),
        "onset_median_ms": round(float(np.median(starts)), 2),
        "onset_bias_ms": round(float(np.median(np.array(errors)[:, 0])), 2),
        "onset_within_50_ms": round(float(np.mean(starts <= 50)), 4),
        "onset_worst_ms": round(float(starts.max()), 1),
        "end_mean_ms": round(float(ends.mean()), 2),
    }


def ours(aligner: CtcAligner, recordings: Sequence[Spoken]) -> list[list[tuple[int, int] | None]]:
    found = aligner.align_batch([item.waveform for item in recordings], [words_of(item) for item in recordings])
    return [
        [None] * len(item.words)
        if isinstance(one, RecordError)
        else [(word.start_sample, word.end_sample) for word in one.words]
        for one, item in zip(found, recordings, strict=True)
    ]


def whisperx_align(folder: Path, recordings: Sequence[Spoken]) -> list[list[tuple[int, int] | None]]:
    """whisperx on each recording; None where a word has no time."""
    from whisperx import alignment

    alignment.nltk_load = lambda _: WholeText()
    model, metadata = alignment.load_align_model("en", "cpu", str(folder))
    results = []
    for item in recordings:
        segment: Any = {"text": " ".join(item.words), "start": 0.0, "end": len(item.waveform) / SAMPLE_RATE_HZ}
        placed = alignment.align([segment], model, metadata, item.waveform, "cpu")["word_segments"]
        assert [word["word"] for word in placed] == list(item.words)
        results.append(
            [
                (round(word["start"] * SAMPLE_RATE_HZ), round(word["end"] * SAMPLE_RATE_HZ))
                if "start" in word
                else None
                for word in placed
            ]
        )
    return results


def onsets(aligner: CtcAligner, folder: Path, recordings: Sequence[Spoken]) -> dict[str, object]:
    table: dict[str, object] = {}
    for name, found in (
        ("plait ctc", ours(aligner, recordings)),
        ("whisperx align, same model", whisperx_align(folder, recordings)),
    ):
        rows = list(zip(recordings, found, strict=True))
        for voice in ("all", *sorted({item.name.split("-")[0] for item in recordings})):
            chosen = [(item, places) for item, places in rows if voice == "all" or item.name.startswith(voice)]
            errors = [pair for item, places in chosen for pair in errors_ms(places, item)]
            table[f"{name}, {voice}"] = summary(errors, sum(len(item.words) for item, _ in chosen))
    return table


def neighbours(aligner: CtcAligner, recordings: Sequence[Spoken]) -> dict[str, object]:
    """Words whose place in a batch is the same, to the sample, as by themselves."""
    batch = ours(aligner, recordings)
    alone = [ours(aligner, [item])[0] for item in recordings]
    pairs = [pair for a, b in zip(batch, alone, strict=True) for pair in zip(a, b, strict=True)]
    return {"words": len(pairs), "same": sum(a == b for a, b in pairs)}


def resident_mib() -> float:
    """Memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def long_form(speech: Path, folder: Path, minutes: int) -> dict[str, object]:
    """One joined recording: errors, drift, speed, and the memory that this process came to hold."""
    recordings = read(speech / "heldout")
    count = -(-minutes * 60 // 4)
    whole = join(list(itertools.islice(itertools.cycle(recordings), count)), "long")
    aligner = CtcConfig(model=str(folder), device="cpu", batch_s=60, offset_shift_samples=END_SHIFT_SAMPLES).load()
    ours(aligner, recordings[:1])
    held = resident_mib()
    peak = [held]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            peak[0] = max(peak[0], resident_mib())

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.process_time()
    (found,) = aligner.align_batch([whole.waveform], [words_of(whole)])
    spent = time.process_time() - started
    done.set()
    watcher.join()
    assert isinstance(found, Alignment)
    errors = errors_ms([(word.start_sample, word.end_sample) for word in found.words], whole)
    quarter = len(errors) // 4
    return {
        "minutes": round(len(whole.waveform) / SAMPLE_RATE_HZ / 60, 1),
        "x_real_time": round(len(whole.waveform) / SAMPLE_RATE_HZ / spent, 1),
        "extra_peak_memory_mib": round(peak[0] - held),
        "first_quarter_mean_ms": summary(errors[:quarter], quarter)["onset_mean_ms"],
        "last_quarter_mean_ms": summary(errors[-quarter:], quarter)["onset_mean_ms"],
        **summary(errors, len(whole.words)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("speech", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--spikes", type=Path, help="a model trained with --labels spikes")
    parser.add_argument("--repeats", type=int, default=50, help="runs of which the quickest counts")
    parser.add_argument(
        "--minutes", type=int, nargs="*", default=[8, 15, 30, 60], help="lengths of the long recordings"
    )
    parser.add_argument("--long", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    if arguments.long:
        print(json.dumps(long_form(arguments.speech, arguments.model, arguments.long)))
        return
    config = CtcConfig(model=str(arguments.model), device="cpu", offset_shift_samples=END_SHIFT_SAMPLES)
    aligner = config.load()
    heldout = read(arguments.speech / "heldout")
    vocabulary = json.loads((arguments.model / "vocab.json").read_text())

    def prepared(items: Sequence[Spoken]) -> tuple[list[torch.Tensor], list[list[int]]]:
        texts = [[vocabulary[char] for char in "|".join(item.words).upper()] for item in items]
        return aligner.emissions([item.waveform for item in items]), texts

    ten = of_about(heldout, 10.0, 64)
    emissions, texts = prepared(ten)
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    report: dict[str, object] = {
        "fingerprint": config.fingerprint,
        "paths_like_forced_align": equality(*prepared(heldout)),
        "viterbi": {
            f"{count} recordings of 10 s, {device}": throughput(
                emissions[:count], texts[:count], device=device, repeats=arguments.repeats
            )
            for device in devices
            for count in (1, 16, 64)
        },
        "onsets_heldout": {
            folder.name: onsets(CtcConfig(model=str(folder), device="cpu", **shift).load(), folder, heldout)
            for folder, shift in (
                (arguments.model, {"offset_shift_samples": END_SHIFT_SAMPLES}),
                *([(arguments.spikes, {})] if arguments.spikes else []),
            )
        },
        "placed_as_alone": neighbours(aligner, heldout),
    }
    command = [sys.executable, "-m", "benchmarks.ctc", str(arguments.speech), str(arguments.model), "--long"]
    report["long_form"] = [
        json.loads(subprocess.run([*command, str(minutes)], check=True, capture_output=True, text=True).stdout)
        for minutes in arguments.minutes
    ]
    print(save("ctc", report).read_text())


if __name__ == "__main__":
    main()
