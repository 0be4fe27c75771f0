"""Sentences read by Debian's festival voices, with the exact time of every word.

    apt-get install festival festvox-us-slt-hts festvox-kallpc16k festvox-kdlpc16k
    python -m benchmarks.synthetic_speech FOLDER [--train 600] [--heldout 40]

writes ``FOLDER/{train,heldout}/VOICE-N.wav`` (16 kHz mono) and beside each a ``.words`` file, one
``start_s end_s word`` a line. The sentences are strung together from the lists below and from words of the CMU
dictionary in pocketsphinx' wheel; no held-out sentence is in the training part.
"""

import argparse
import importlib.util
import random
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from schemas.records import SAMPLE_RATE_HZ, Span, Waveform

VOICES = {"slt": "voice_cmu_us_slt_arctic_hts", "kal": "voice_kal_diphone", "ked": "voice_ked_diphone"}

_SUBJECTS = """the old man|my sister|a tall woman|the teacher|nobody|the children|every student|our neighbour|the driver
this machine|the small dog|her brother|a young farmer|the doctor|their friends|the whole village|the captain
a quiet voice|the winter wind|the first train|your letter|the morning paper|the river|one of the singers|we|they|she
the people of the town|his father|the black horse""".replace("\n", "|").split("|")
_VERBS = """found|carried|would not follow|painted|had forgotten|could see|never liked|bought|was looking for|sold
wanted to keep|will bring|must have lost|described|opened|was afraid of|walked slowly towards|asked about|listened to
stood behind|put away|did not believe|thought of|played with|came back with|measured|cut|held|broke
ran past""".replace("\n", "|").split("|")
_OBJECTS = """the garden gate|a piece of bread|the long bridge|an empty bottle|the yellow house|those pictures
the sound of the bell|a cold glass of water|the broken chair|his blue jacket|the edge of the forest|some fresh fruit
the last question|a heavy stone|their new boat|the kitchen table|every single page|the road to the harbour
a story about the moon|the key to the office|a thousand birds|the shop around the corner|five white candles
the end of the summer|an answer|the noise in the street|such a simple thing|the map""".replace("\n", "|").split("|")
_ENDINGS = """before the rain began|in the evening|without saying a word|on the other side|after a while
because it was late|with great care|as if nothing had happened|at the top of the hill|when the music stopped
once or twice a year|just in time|under the stairs|for the third time|while we waited outside|until the sun came up
and then went home|but it didn't matter|although they couldn't explain why|so everyone laughed""".replace(
    "\n", "|"
).split("|")


@dataclass(frozen=True, slots=True)
class Spoken:
    """A recording with exact times: ``words[i]`` lasts ``spans[i]``."""

    name: str
    waveform: Waveform
    words: tuple[str, ...]
    spans: tuple[Span, ...]


def sentence(rng: random.Random, lexicon: list[str]) -> str:
    """A natural clause, a clause with a few rare words in it, or a run of words from the lexicon."""
    clause = [rng.choice(_SUBJECTS), rng.choice(_VERBS), rng.choice(_OBJECTS)]
    kind = rng.random()
    if kind < 0.5:
        return " ".join([*clause, *([rng.choice(_ENDINGS)] if rng.random() < 0.6 else [])])
    rare = rng.sample(lexicon, rng.randint(2, 4))
    if kind < 0.8:
        return " ".join([clause[0], clause[1], "the", *rare, rng.choice(_ENDINGS)])
    return " ".join([*rare, *rng.sample(lexicon, rng.randint(3, 5))])


def lexicon() -> list[str]:
    """Plain words of 2 to 10 letters of the CMU dictionary."""
    spec = importlib.util.find_spec("pocketsphinx")
    assert spec is not None
    assert spec.origin is not None
    lines = (Path(spec.origin).parent / "model" / "en-us" / "cmudict-en-us.dict").read_text().splitlines()
    words = {line.split()[0] for line in lines}
    return sorted(word for word in words if word.isascii() and word.isalpha() and 2 <= len(word) <= 10)


def speak(folder: Path, voice: str, sentences: list[str]) -> None:
    """Write a wav and a ``.words`` file a sentence, all in one festival process; what is there is kept.

    Raises:
        subprocess.CalledProcessError: festival failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    script = [
        f"({VOICES[voice]})",
        "(define (one text name)",
        " (let ((utt (utt.synth (eval (list 'Utterance 'Text text)))))",
        '  (utt.save.wave utt (string-append name ".wav") \'riff)',
        '  (let ((f (fopen (string-append name ".words") "w")))',
        '   (mapcar (lambda (w) (format f "%f %f %s\\n" (item.feat w "word_start") (item.feat w "word_end")'
        " (item.name w))) (utt.relation.items utt 'Word))",
        "   (fclose f))))",
    ]
    names = [f"{voice}-{number:04}" for number in range(len(sentences))]
    wanted = [pair for pair in zip(names, sentences, strict=True) if not (folder / f"{pair[0]}.words").exists()]
    script += [f'(one "{text}." "{name}")' for name, text in wanted]
    subprocess.run(["festival", "--pipe"], input="\n".join(script), text=True, check=True, cwd=folder)
    for name, _ in wanted:
        path = folder / f"{name}.wav"
        waveform, rate = soundfile.read(path, dtype="float32")
        soundfile.write(path, soxr.resample(waveform, rate, SAMPLE_RATE_HZ), SAMPLE_RATE_HZ)


def read(folder: Path) -> list[Spoken]:
    found = []
    for path in sorted(folder.glob("*.words")):
        waveform, _ = soundfile.read(path.with_suffix(".wav"), dtype="float32")
        rows = [line.split() for line in path.read_text().splitlines()]
        spans = tuple(
            Span(round(float(start) * SAMPLE_RATE_HZ), min(len(waveform), round(float(end) * SAMPLE_RATE_HZ)))
            for start, end, _ in rows
        )
        found.append(Spoken(path.stem, np.asarray(waveform), tuple(row[2].lower() for row in rows), spans))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=int, default=600, help="sentences a voice")
    parser.add_argument("--heldout", type=int, default=40, help="sentences a voice")
    arguments = parser.parse_args()
    rare = lexicon()
    heldout_words = set(random.Random(3).sample(rare, 4000))
    for index, voice in enumerate(VOICES):
        rng = random.Random(100 + index)
        seen_words = [word for word in rare if word not in heldout_words]
        train = [sentence(rng, seen_words) for _ in range(arguments.train)]
        heldout: list[str] = []
        while len(heldout) < arguments.heldout:
            text = sentence(rng, sorted(heldout_words))
            if text not in train:
                heldout.append(text)
        speak(arguments.folder / "train", voice, train)
        speak(arguments.folder / "heldout", voice, heldout)


if __name__ == "__main__":
    main()
