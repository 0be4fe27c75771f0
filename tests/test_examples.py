"""The bundled corpus is what its table, its notice and its rules say."""

import csv
import hashlib
from pathlib import Path

import soundfile as sf

CORPUS = Path(__file__).parents[1] / "examples/asterisk-en"


def table():
    with (CORPUS / "transcripts.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_every_prompt_is_there_once_as_16_khz_mono_flac():
    rows = table()
    assert len(rows) == len({row["id"] for row in rows}) == 551
    infos = [sf.info(CORPUS / row["audio"]) for row in rows]
    assert {(info.format, info.subtype, info.samplerate, info.channels) for info in infos} == {
        ("FLAC", "PCM_16", 16_000, 1)
    }
    assert round(sum(info.frames for info in infos) / 16_000) == 1456
    listed = {row["audio"] for row in rows}
    assert listed == {str(path.relative_to(CORPUS)) for path in (CORPUS / "audio").rglob("*") if path.is_file()}


def test_texts_hold_words_and_no_stage_directions():
    for row in table():
        assert any(sign.isalnum() for sign in row["text"]), row
        assert not set("[]()<>\t\n") & set(row["text"]), row
        assert row["text"] == " ".join(row["text"].split())


def test_held_out_prompts_follow_their_rule():
    ids = [row["id"] for row in table()]
    held_out = (CORPUS / "heldout.txt").read_text().split()
    by_hash = sorted(ids, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    assert held_out == sorted(by_hash[:50])


def test_the_notice_names_author_licence_and_changes():
    notice = (CORPUS / "LICENCE.md").read_text()
    for phrase in ("Allison Smith", "Digium", "creativecommons.org/licenses/by-sa/3.0", "has been modified"):
        assert phrase in notice
    assert {row["licence"] for row in table()} == {"CC-BY-SA-3.0"}
