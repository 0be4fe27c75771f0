"""Synthetic speech with the exact time of every phone, to fit the aligner's phone net on.

    apt-get install flite festival festvox-us-slt-hts festvox-kdlpc16k
    python -m benchmarks.aligner_voices FOLDER [--sentences 400]

writes ``FOLDER/VOICE-NNNN.wav`` (16 kHz mono), beside each a ``.phones`` file, one ``phone end_s`` a line, and the
table ``FOLDER/transcripts.tsv`` that ``plait fit aligner`` takes. The sentences mix words of the CMU dictionary in
pocketsphinx' wheel with the commonest English words: what counts is that every phone meets every other.
"""

import argparse
import csv
import random
import subprocess
from collections.abc import Sequence
from pathlib import Path

from transforms.align.pocketsphinx import model_dir
from transforms.align.pronunciation import read_dictionary

FLITE_VOICES = ("slt", "rms", "awb", "kal16")
FESTIVAL_VOICES = {"slt-hts": "cmu_us_slt_arctic_hts", "ked": "ked_diphone"}
LICENCES = {
    "slt": "CMU Flite licence (BSD-like)",
    "rms": "CMU Flite licence (BSD-like)",
    "awb": "CMU Flite licence (BSD-like)",
    "kal16": "CMU Flite licence (BSD-like)",
    "slt-hts": "CMU Arctic licence (free use, redistribution and modification)",
    "ked": "Festival speech licence (free use, redistribution and modification)",
}
_COMMON = """the a of to and in is that it he was for on are as with his they I at be this have from or one had by but
not what all were we when your can said there use an each which she do how their if will up other about out many then
them these so some her would make like him into time has look two more write go see number no way could people my than
first been call who its now find long down day did get come made may part over any only new old you after before again
where must take every great little here""".split()
_STRETCH = (0.75, 1.1)


def sentences(lexicon: Sequence[str], count: int, *, rng: random.Random) -> list[str]:
    """Runs of three to six words of the lexicon, common words before most of them, a comma after some."""
    lines = []
    for _ in range(count):
        words: list[str] = []
        for _ in range(rng.randint(3, 6)):
            while rng.random() < 0.55:
                words.append(rng.choice(_COMMON))
            words.append(rng.choice(lexicon) + ("," if rng.random() < 0.12 else ""))
        lines.append(" ".join(words).rstrip(",") + ".")
    return lines


def _read_with_flite(voice: str, text: str, stem: Path, stretch: float) -> None:
    command = ["flite", "-voice", voice, "--setf", f"duration_stretch={stretch:.2f}", "-psdur", "-t", text]
    done = subprocess.run([*command, "-o", f"{stem}.wav"], capture_output=True, text=True, check=True)
    rows = [item.rpartition(":") for item in done.stdout.split()]
    stem.with_suffix(".phones").write_text("".join(f"{phone} {end}\n" for phone, _, end in rows))


def _festival_command(text: str, stem: Path, stretch: float) -> str:
    return f"""(Parameter.set 'Duration_Stretch {stretch:.2f})
(set! utterance (utt.synth (Utterance Text "{text}")))
(utt.wave.resample utterance 16000)
(utt.save.wave utterance "{stem}.wav" 'riff)
(set! phones (fopen "{stem}.phones" "w"))
(mapcar (lambda (s) (format phones "%s %f\\n" (item.name s) (item.feat s 'end)))
        (utt.relation.items utterance 'Segment))
(fclose phones)
"""


def speak(folder: Path, *, count: int, seed: int) -> None:
    """Write ``count`` sentences a voice. Needs the programs ``flite`` and ``festival``."""
    folder.mkdir(parents=True, exist_ok=True)
    dictionary = read_dictionary(model_dir() / "cmudict-en-us.dict")
    lexicon = sorted(word for word in dictionary if word.isalpha() and 2 <= len(word) <= 11)
    rows = []
    for number, voice in enumerate((*FLITE_VOICES, *FESTIVAL_VOICES)):
        rng = random.Random(seed + number)
        script = f"(voice_{FESTIVAL_VOICES[voice]})\n" if voice in FESTIVAL_VOICES else ""
        for index, text in enumerate(sentences(lexicon, count, rng=rng)):
            name = f"{voice}-{index:04d}"
            stretch = rng.uniform(*_STRETCH)
            if script:
                script += _festival_command(text, folder / name, stretch)
            else:
                _read_with_flite(voice, text, folder / name, stretch)
            rows.append((name, f"{name}.wav", text, voice, "en", LICENCES[voice]))
        if script:
            commands = folder / f"{voice}.scm"
            commands.write_text(script)
            subprocess.run(["festival", "-b", str(commands)], capture_output=True, check=True)
            commands.unlink()
    with (folder / "transcripts.tsv").open("w", encoding="utf-8", newline="") as table:
        writer = csv.writer(table, delimiter="\t", lineterminator="\n")
        writer.writerow(("id", "audio", "text", "speaker", "language", "licence"))
        writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sentences", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    speak(arguments.folder, count=arguments.sentences, seed=arguments.seed)


if __name__ == "__main__":
    main()
