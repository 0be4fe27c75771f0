"""Word times of a file of many utterances in a bucket."""

import time

import numpy as np

from schemas.records import SAMPLE_RATE_HZ, SourceRow
from tests.faults.store_server import BUCKET
from transforms.align.given import GivenConfig

LINES = 200_000


def test_a_large_ctm_is_read_once_and_an_utterance_costs_a_small_range(bucket):
    lines = (f"utt{n // 20:05d} 1 {n % 20 / 2:.2f} 0.40 alpha\n" for n in range(LINES))
    bucket.put("given/words.ctm", "".join(lines).encode())
    aligner = GivenConfig(path=f"s3://{BUCKET}/given/words.ctm").load()
    silence = np.zeros(10 * SAMPLE_RATE_HZ, np.float32)
    text = " ".join(["alpha"] * 20)
    began = time.process_time()
    aligner.align_row(SourceRow("utt00000", "-", text), silence)
    assert time.process_time() - began < 5.0  # 12 s where each line copies a block
    for number in (1, 2500, LINES // 20 - 1):
        before = bucket.weather.sent_bytes
        words = aligner.align_row(SourceRow(f"utt{number:05d}", "-", text), silence).words
        assert [word.start_sample for word in words] == [n * SAMPLE_RATE_HZ // 2 for n in range(20)]
        assert bucket.weather.sent_bytes - before < 20_000
