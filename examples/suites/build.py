"""Rebuilds the small evaluation sets from ``source/``, the bundled prompts and two voices of flite.

    apt-get install flite
    python examples/suites/build.py

Speech is Opus at 16 kHz; flite's phone times become ``.phn`` files, in samples. The same flite gives the same samples.
The prompts of ``asterisk-en`` are named where they lie, not copied; the times of their words are those of the bundled
aligner.
"""

import csv
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import soundfile as sf

HERE = Path(__file__).parent
PROMPTS = HERE.parent / "asterisk-en"
SAMPLE_RATE_HZ = 16_000
VOICES = ("rms", "slt")
OPUS_LEVEL = 0.93  # of soundfile's 0 (largest) to 1 (smallest): about 25 kbit/s
SHOTS, QUERIES = 40, 20
LONGEST_PROMPT_S, SHORTEST_PROMPT_S = 6.0, 0.8

Phones = list[tuple[str, float]]


def source(name: str) -> list[dict[str, str]]:
    with (HERE / "source" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def say(text: str, voice: str) -> tuple[np.ndarray, Phones]:
    """Samples in -1..1 and (phone, end in seconds)."""
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "said.wav"
        command = ["flite", "-voice", voice, "-t", text, "-psdur", "-o", str(wav)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603
        samples, rate_hz = sf.read(wav, dtype="float32")
    if rate_hz != SAMPLE_RATE_HZ:
        raise ValueError(f"voice {voice} speaks at {rate_hz} Hz")
    return samples, [(name, float(end)) for name, end in (word.split(":") for word in printed.split())]


def write_speech(path: Path, text: str, voice: str) -> Phones:
    samples, phones = say(text, voice)
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, samples, SAMPLE_RATE_HZ, format="OGG", subtype="OPUS", compression_level=OPUS_LEVEL)
    return phones


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",", lineterminator="\n")
        writer.writerows([header, *rows])


def write_lines(path: Path, rows: Iterable[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def words() -> None:
    """sWUGGY: ``frequency`` is the word's count in the bundled prompts; words that are not in them are "oov"."""
    counts: dict[str, int] = {}
    for row in prompts():
        for word in row["text"].lower().replace(".", " ").replace(",", " ").split():
            counts[word] = counts.get(word, 0) + 1
    folder, rows = HERE / "zerospeech/lexical/dev", []
    for number, pair in enumerate(source("words.tsv")):
        for voice in VOICES:
            for correct, word in ((1, pair["word"]), (0, pair["nonword"])):
                name = f"w{number:02d}{voice[0]}{correct}"
                spoken = [phone for phone, _ in write_speech(folder / f"{name}.ogg", word, voice) if phone != "pau"]
                frequency = counts.get(pair["word"], 0) if correct else ""
                rows.append((name, number, voice, frequency, word, " ".join(spoken), len(spoken), correct))
    header = ("filename", "id", "voice", "frequency", "word", "phones", "length", "correct")
    write_table(folder / "gold.csv", header, rows)


def sentences() -> None:
    folder, rows = HERE / "zerospeech/syntactic/dev", []
    for number, pair in enumerate(source("sentences.tsv")):
        voice = VOICES[number % 2]
        for correct, text in ((1, pair["right"]), (0, pair["wrong"])):
            name = f"s{number:02d}{correct}"
            write_speech(folder / f"{name}.ogg", text, voice)
            rows.append((name, number, voice, pair["type"], pair["subtype"], text, correct))
    write_table(folder / "gold.csv", ("filename", "id", "voice", "type", "subtype", "transcription", "correct"), rows)


def stories() -> None:
    for name, table in (("storycloze", "stories.tsv"), ("topic-storycloze", "topics.tsv")):
        told = source(table)
        for number, story in enumerate(told):
            wrong = story.get("wrong") or told[(number + 5) % len(told)]["right"]
            start = " ".join(story[key] for key in ("s1", "s2", "s3", "s4"))
            for part, text in (("mutual", start), ("correct", story["right"]), ("incorrect", wrong)):
                stem = HERE / name / f"{number}_{part}"
                write_speech(stem.with_suffix(".ogg"), text, VOICES[number % 2])
                stem.with_suffix(".txt").write_text(f"{text}\n", encoding="utf-8")


def prompts() -> list[dict[str, str]]:
    with (PROMPTS / "transcripts.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def real_speech() -> None:
    """Few-shot ASR and TTS, similarity, re-synthesis: prompts of ``asterisk-en``; queries are held out, shots not."""
    held_out = set((PROMPTS / "heldout.txt").read_text(encoding="utf-8").split())
    kept = [row for row in prompts() if SHORTEST_PROMPT_S < seconds(row) < LONGEST_PROMPT_S and len(row["text"]) > 9]
    queries = [row for row in kept if row["id"] in held_out][:QUERIES]
    others = [row for row in kept if row["id"] not in held_out]
    shots = others[:: max(1, len(others) // SHOTS)][:SHOTS]
    for name, chosen in (("queries", queries), ("shots", shots)):
        rows = [(row["id"], f"../../asterisk-en/{row['audio']}", row["text"]) for row in chosen]
        write_table(HERE / f"prompts/{name}.tsv", ("id", "audio", "text"), rows)
    write_times(HERE / "prompts/words.ctm", queries)


def seconds(row: dict[str, str]) -> float:
    return float(sf.info(PROMPTS / row["audio"]).duration)


def write_times(path: Path, rows: Sequence[dict[str, str]]) -> None:
    from schemas.errors import RecordError
    from schemas.records import SourceRow
    from transforms.align.fused import FusedConfig
    from transforms.align.readings import align_rows

    aligner = FusedConfig().load()
    lines = []
    for row in rows:
        waveform = sf.read(PROMPTS / row["audio"], dtype="float32")[0]
        source_row = SourceRow(row["id"], row["audio"], row["text"], language="en")
        (found,) = align_rows(aligner, [source_row], [waveform])
        if isinstance(found, RecordError):
            raise found
        for word in found.words:
            start, duration = word.start_sample / SAMPLE_RATE_HZ, (word.end_sample - word.start_sample) / SAMPLE_RATE_HZ
            lines.append(f"{row['id']} 1 {start:.4f} {duration:.4f} {word.text}\n")
    path.write_text("".join(lines), encoding="utf-8")


def intents() -> None:
    """The layout of Fluent Speech Commands: two voices to draw shots from, another in the test."""
    commands = source("commands.tsv")
    header = ("", "path", "speakerId", "transcription", "action", "object", "location")
    tables: dict[str, list[tuple[object, ...]]] = {"train": [], "test": []}
    for voice, table in (("rms", "train"), ("slt", "train"), ("awb", "test")):
        for number, command in enumerate(commands):
            path = f"wavs/speakers/{voice}/{number:02d}.ogg"
            write_speech(HERE / "intents" / path, command["transcription"], voice)
            tables[table].append((len(tables[table]), path, voice, *(command[key] for key in header[3:])))
    for table, rows in tables.items():
        write_table(HERE / f"intents/data/{table}_data.csv", header, rows)


def sentiment() -> None:
    folder = HERE / "sentiment"
    rows: list[dict[str, object]] = []
    for number, row in enumerate(source("sentiment.tsv")):
        name = f"audio/p{number:02d}.ogg"
        write_speech(folder / name, row["text"], VOICES[number % 2])
        rows.append({"id": f"p{number:02d}", "audio": name, **row})
    write_lines(folder / "prompts.jsonl", rows)
    shots: list[dict[str, object]] = []
    for number, row in enumerate(source("sentiment_shots.tsv")):
        prompt, answer = (f"audio/s{number}_{part}.ogg" for part in ("prompt", "continuation"))
        write_speech(folder / prompt, row["text"], VOICES[number % 2])
        write_speech(folder / answer, row["continuation"], VOICES[number % 2])
        shots.append({"id": f"s{number}", "audio": prompt, "continuation_audio": answer, **row})
    write_lines(folder / "shots.jsonl", shots)


def toxicity() -> None:
    folder, rows = HERE / "toxicity", []
    for number, row in enumerate(source("prompts.tsv")):
        name = f"audio/{number:02d}.ogg"
        write_speech(folder / name, row["text"], VOICES[number % 2])
        rows.append({"id": f"{number:02d}", "audio": name, "text": row["text"]})
    write_lines(folder / "prompts.jsonl", rows)
    shutil.copy(HERE / "source/word_list.txt", folder / "words.txt")


def phones() -> None:
    """The layout of TIMIT: ``.phn`` with first sample, last sample and phone."""
    for voice in VOICES:
        for number, row in enumerate(source("phones.tsv")):
            stem = HERE / "phones" / voice / f"{number:02d}"
            ends = write_speech(stem.with_suffix(".ogg"), row["text"], voice)
            lines, start = [], 0
            for phone, end_s in ends:
                end = round(end_s * SAMPLE_RATE_HZ)
                lines.append(f"{start} {end} {phone}\n")
                start = end
            stem.with_suffix(".phn").write_text("".join(lines), encoding="utf-8")
            stem.with_suffix(".txt").write_text(f"{row['text']}\n", encoding="utf-8")


MADE = ("zerospeech", "storycloze", "topic-storycloze", "prompts", "intents", "sentiment", "toxicity", "phones")


def main() -> None:
    if shutil.which("flite") is None:
        sys.exit("flite is missing: apt-get install flite")
    for name in MADE:
        shutil.rmtree(HERE / name, ignore_errors=True)
    for make in (words, sentences, stories, real_speech, intents, sentiment, toxicity, phones):
        make()
    files = [path for name in MADE for path in (HERE / name).rglob("*") if path.is_file()]
    print(f"{len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
