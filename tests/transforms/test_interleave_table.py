"""The table against an encoder that does everything anew for every draw, as plainly as can be."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from schemas.records import Segment, Span
from schemas.vocabulary import VocabularyLayout
from tests.strategies import small_utterance, utterances
from transforms.interleave import encode_utterance
from transforms.interleave_policies import InterleaveConfig, draw_runs
from transforms.interleave_table import Cutter, TableBuilder
from transforms.interleave_words import WordTokens
from transforms.seeds import RekeyedGenerator, rng_for
from transforms.streams import merge_streams, word_spans
from transforms.text.tokenizer import HfTokenizer, SentencePieceTokenizer, fit_sentencepiece
from transforms.written import written_groups

LINES = ["cat Mat naïve 1st, 21 cats. Mats", "the cat (sat) on 21 mats, 'quoted' naïve"] * 4
SHORT = {"text_words": (1, 4), "speech_words": (1, 3)}
CONFIGS = [
    InterleaveConfig.model_validate(SHORT),
    InterleaveConfig.model_validate({**SHORT, "reemit_context": True}),
    InterleaveConfig.model_validate({**SHORT, "policy": "correspond"}),
    InterleaveConfig.model_validate({"policy": "poisson", "span_words": 2}),
    InterleaveConfig.model_validate({"policy": "alternate", "chunk_words": 3}),
]


@pytest.fixture(scope="module", params=["sentencepiece", "byte-level"])
def tokenizer(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    if request.param == "sentencepiece":
        return SentencePieceTokenizer(fit_sentencepiece(LINES, vocab_size=310, output=folder))
    plain = Tokenizer(models.BPE())
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    plain.train_from_iterator(
        LINES,
        trainers.BpeTrainer(vocab_size=300, special_tokens=["</s>"], initial_alphabet=alphabet, show_progress=False),
    )
    PreTrainedTokenizerFast(tokenizer_object=plain, eos_token="</s>").save_pretrained(folder)
    return HfTokenizer(folder)


def encode_plainly(record, runs, *, layout, tokenizer, reemit):
    """Tokens and segments of runs, by the definitions."""
    groups = written_groups(record.words, record.text)
    spans = word_spans(record.words, num_samples=record.num_samples)
    spans = [Span(spans[groups[r.start].start].start, spans[groups[r.end - 1].stop - 1].end) for r in runs]
    merged = merge_streams(record.streams, layout=layout, reemit_at=sorted({s.start for s in spans}) if reemit else [])

    def char_cut(group):
        if group in (0, len(groups)):
            return 0 if group == 0 else len(record.text)
        start = record.words[groups[group].start].char_start
        while start > 0 and not record.text[start - 1].isspace():
            start -= 1
        return start

    tokens, segments = [], []
    for run, span in zip(runs, spans, strict=True):
        marker = layout.text_marker if run.modality == "text" else layout.speech_marker
        body = [marker] * (2 if run.again else 1)
        if run.modality == "text":
            body += tokenizer.encode(record.text[char_cut(run.start) : char_cut(run.end)].strip())
        else:
            body += merged.cut(span).tolist()
        words = groups[run.start].start, groups[run.end - 1].stop
        segments.append(Segment(run.modality, len(tokens), len(tokens) + len(body), *words, span.start, span.end))
        tokens += body
    return tokens, tuple(segments)


@settings(max_examples=25)
@given(st.lists(utterances(max_words=12), min_size=1, max_size=4), st.sampled_from(CONFIGS), st.integers(0, 9))
def test_a_table_of_many_gives_what_each_gives_alone_and_by_the_definitions(tokenizer, records, config, epoch):
    layout = VocabularyLayout(tokenizer.vocab_size, 500, 64, 100, tokenizer.fingerprint)
    builder = TableBuilder(layout=layout, words=WordTokens(tokenizer), keep_streams=config.reemit_context)
    for record in records:
        builder.add_record(record)
    table, cutter, draws = builder.build(), Cutter(layout, tokenizer), RekeyedGenerator()
    for row, record in enumerate(records):
        num_words = table.num_words(row)
        assert num_words == len(written_groups(record.words, record.text))
        name = record.utterance_id
        rng = draws.rng_for(name, stage="interleave", run_seed=7, epoch=epoch)
        runs = draw_runs(num_words, rng, config)
        expected, segments = encode_plainly(
            record, runs, layout=layout, tokenizer=tokenizer, reemit=config.reemit_context
        )
        assert np.concatenate(cutter.chunks(table, row, runs)).tolist() == expected
        assert cutter.segments(table, row, runs) == segments
        alone = encode_utterance(
            record, source="interleaved", layout=layout, tokenizer=tokenizer, config=config, run_seed=7, epoch=epoch
        )
        assert alone.tokens.tolist() == expected
        assert alone.segments == segments
        assert alone.tokens.dtype == np.int32


def test_words_are_cut_from_tokens_and_not_encoded_again(tokenizer):
    """The speed of the loader: without this every draw would tokenise."""
    layout = VocabularyLayout(tokenizer.vocab_size, 500, 64, 100, tokenizer.fingerprint)
    words = WordTokens(tokenizer)
    assert words.cuttable
    builder = TableBuilder(layout=layout, words=words, keep_streams=False)
    builder.add_record(small_utterance())
    assert builder.build().written == {}


@settings(max_examples=200)
@given(st.lists(st.text(st.sampled_from("aeit1.'é-(漢Ġ"), min_size=1, max_size=6), min_size=1, max_size=8), st.data())
def test_a_span_encodes_to_the_tokens_of_its_words(tokenizer, pieces, data):
    text = " ".join(pieces)
    cuts = [0]
    for piece in pieces:
        cuts.append(cuts[-1] + len(piece) + 1)
    cuts[-1] -= 1
    forms = WordTokens(tokenizer).of_text(text, cuts)
    start = data.draw(st.integers(0, len(pieces) - 1))
    end = data.draw(st.integers(start + 1, len(pieces)))
    if forms is not None:
        joined = [*forms[start].first, *(token for form in forms[start + 1 : end] for token in form.inner)]
        assert joined == tokenizer.encode(text[cuts[start] : cuts[end]].strip())


@pytest.mark.parametrize(("text", "cuts"), [("a  b", [0, 3, 4]), ("a\nb", [0, 2, 3]), ("ab", [0, 1, 2])])
def test_what_no_single_space_parts_is_encoded_as_it_comes(tokenizer, text, cuts):
    assert WordTokens(tokenizer).of_text(text, cuts) is None


def test_a_tokenizer_that_joins_words_is_not_cut():
    class Joins:  # FakeTokenizer of a kind that is not known
        vocab_size, bos_id, eos_id, fingerprint = 10, 1, 2, "j"

        def encode(self, text):
            return [len(text)]

        def decode(self, ids):
            return ""

    assert not WordTokens(Joins()).cuttable


def test_a_rekeyed_generator_draws_as_a_new_one():
    draws = RekeyedGenerator()
    for number in random.Random(0).sample(range(10**6), 50):
        again = draws.rng_for(str(number), stage="s", run_seed=number, epoch=number % 7)
        new = rng_for(str(number), stage="s", run_seed=number, epoch=number % 7)
        assert again.integers(0, 99, 3).tolist() == new.integers(0, 99, 3).tolist()
        assert again.random() == new.random()
