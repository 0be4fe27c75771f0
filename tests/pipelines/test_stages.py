"""Failures of a batch: the culprit alone is lost, what passes is tried again, a bug stops the run."""

import numpy as np
import pytest

from pipelines.stages import RETRY_PAUSES_S, apply_stage
from schemas.errors import EngineError, RecordError, TransientError
from schemas.records import SourceRow, Utterance

BATCH = [
    Utterance(SourceRow(name, f"{name}.wav", "text"), np.zeros(10, np.float32), "") for name in ("a", "b", "c", "d")
]


def names(utterances):
    return [utterance.row.utterance_id for utterance in utterances]


def test_only_the_culprits_of_a_batch_are_lost():
    def run(batch):
        if set(names(batch)) & {"b", "d"}:
            raise RecordError("odd", "it is odd", outcome="filtered")
        return list(batch)

    done, dropped = apply_stage("stage", run, BATCH)
    assert names(done) == ["a", "c"]
    assert [(x.utterance_id, x.stage, x.code, x.detail, x.outcome, x.audio) for x in dropped] == [
        ("b", "stage", "odd", "it is odd", "filtered", "b.wav"),
        ("d", "stage", "odd", "it is odd", "filtered", "d.wav"),
    ]


def test_an_error_in_a_records_place_costs_its_mates_nothing():
    calls = []

    def run(batch):
        calls.append(names(batch))
        return [
            RecordError("odd", "it is odd") if name in "bd" else u for name, u in zip(names(batch), batch, strict=True)
        ]

    done, dropped = apply_stage("stage", run, BATCH)
    assert (names(done), [letter.utterance_id for letter in dropped]) == (["a", "c"], ["b", "d"])
    assert calls == [["a", "b", "c", "d"]]


@pytest.mark.parametrize("failures", range(len(RETRY_PAUSES_S) + 1))
def test_what_passes_is_tried_again(failures):
    pauses, calls = [], []

    def run(batch):
        calls.append(1)
        if len(calls) <= failures:
            raise TransientError("the store is busy")
        return list(batch)

    done, dropped = apply_stage("decode", run, BATCH, sleep=pauses.append)
    assert (names(done), dropped) == (["a", "b", "c", "d"], [])
    assert pauses == list(RETRY_PAUSES_S[:failures])


def test_what_does_not_pass_ends_the_run_in_one_line():
    def run(batch):
        raise TransientError("the store is busy")

    with pytest.raises(EngineError, match=r"decode: the store is busy; gave up after 4 tries"):
        apply_stage("decode", run, BATCH, sleep=lambda _: None)


def test_a_bug_passes_through():
    def run(batch):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        apply_stage("stage", run, BATCH)
