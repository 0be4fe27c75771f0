"""Rebuilds this corpus from Debian's packages of Asterisk voice prompts.

    apt-get install asterisk-core-sounds-en asterisk-core-sounds-en-g722
    python examples/asterisk-en/build.py

Decodes each spoken prompt from raw G.722 to 16 kHz mono FLAC and writes ``transcripts.tsv``. A prompt is spoken
if words remain once stage directions in brackets are taken out of its text. ``--code`` takes another language
of the same series (es, fr, it, ru), for fitting tokenizers on more voices; those are not bundled.
"""

import argparse
import csv
import gzip
import hashlib
import re
import sys
from pathlib import Path

import av
import numpy as np
import soundfile as sf

STAGE_DIRECTION = re.compile(r"\[[^\]]*\]|\([^)]*\)|<[^>]*>")
VOICES = {
    "en": "en_US_f_Allison",
    "es": "es_MX_f_Allison",
    "fr": "fr_CA_f_June",
    "it": "it_IT_m_Carlo",
    "ru": "ru_RU_f_IvrvoiceRU",
}
LICENCES = {"en": "CC-BY-SA-3.0", "es": "CC-BY-SA-3.0", "fr": "CC-BY-SA-3.0", "it": "CC-BY-3.0", "ru": "CC-BY-3.0"}
HELD_OUT = 50


def read_transcripts(path: Path) -> dict[str, str]:
    """Prompt name to spoken text; names that the list repeats keep their first text."""
    texts: dict[str, str] = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            name, separator, text = line.partition(":")
            if line.startswith(";") or not separator:
                continue
            spoken = " ".join(STAGE_DIRECTION.sub(" ", text).split())
            if any(character.isalnum() for character in spoken):
                texts.setdefault(name.strip(), spoken)
    return texts


def decode_g722(path: Path) -> np.ndarray:
    """Samples of a raw G.722 file, int16, 16 kHz, shape ``(num_samples,)``."""
    with av.open(str(path), format="g722") as container:
        frames = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
    return np.concatenate(frames).astype(np.int16)


def held_out(names: list[str]) -> list[str]:
    """The prompts that no bundled model was fitted on: the 50 with the smallest SHA-256 of their name."""
    return sorted(sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())[:HELD_OUT])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--code", choices=sorted(VOICES), default="en")
    parser.add_argument("--root", type=Path, default=Path("/usr/share"), help="where the packages are unpacked")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    args = parser.parse_args()

    sounds = args.root / "asterisk" / "sounds" / VOICES[args.code]
    table = args.root / "doc" / f"asterisk-core-sounds-{args.code}" / f"core-sounds-{args.code}.txt.gz"
    if not sounds.is_dir() or not table.is_file():
        sys.exit(f"not found: {sounds} or {table}; install asterisk-core-sounds-{args.code} and its -g722 package")
    texts = read_transcripts(table)
    rows = []
    for name, text in sorted(texts.items()):
        source = sounds / f"{name}.g722"
        if not source.is_file():
            print(f"no audio for {name!r}, left out", file=sys.stderr)
            continue
        target = args.output / "audio" / f"{name}.flac"
        target.parent.mkdir(parents=True, exist_ok=True)
        sf.write(target, decode_g722(source), 16_000, subtype="PCM_16", compression_level=1.0)
        rows.append([name.replace("/", "-"), f"audio/{name}.flac", text])
    with (args.output / "transcripts.tsv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
        writer.writerow(["id", "audio", "text", "speaker", "language", "licence"])
        speaker = f"asterisk-{args.code}"
        writer.writerows([*row, speaker, args.code, LICENCES[args.code]] for row in rows)
    if args.code == "en":
        lines = "".join(f"{name}\n" for name in held_out([row[0] for row in rows]))
        (args.output / "heldout.txt").write_text(lines, encoding="utf-8")
    print(f"{len(rows)} prompts in {args.output}")


if __name__ == "__main__":
    main()
