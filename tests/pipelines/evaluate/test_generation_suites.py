"""Few-shot tasks, sentiment and toxicity on their small sets: known models get the scores they must."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pipelines.evaluate.asr import character_errors, transcribe
from pipelines.evaluate.classifiers import NAMES, sentiment_of_label, text_judge
from pipelines.evaluate.continuations import MAX_NEW_TOKENS, prompt_table, read_prompts
from pipelines.evaluate.lexicon import SENTIMENTS, lexicon_sentiment
from pipelines.evaluate.registry import suite_named
from pipelines.evaluate.suites.fewshot import FewShotSettings, TemplateSettings, evaluate_asr, evaluate_tts, read_task
from pipelines.evaluate.suites.intent import evaluate_intent, read_commands
from pipelines.evaluate.suites.intent import read_task as read_intents
from pipelines.evaluate.suites.stsp import (
    Judges,
    StspSettings,
    draw_shots,
    evaluate_sentiment,
    prompt_parts,
    read_shots,
)
from pipelines.evaluate.suites.toxicity import ToxicitySettings, WordList, evaluate_toxicity, read_word_list
from pipelines.infer.parts import Speech, Text
from schemas.errors import UserError
from tests.pipelines.evaluate.fake_models import BUNDLED, FakeGenerator, name_of, number_of, request_of, said

SAY = dict(seed=0, say=lambda _: None)  # noqa: C408
SPEAK = {"positive": "This is wonderful.", "negative": "This is terrible.", "neutral": "It is a table."}


def values(outcome):
    return {(figure.task, figure.measure): figure.value for figure in outcome.figures}


def transcriber(task, answer):
    """A model that answers a query by ``answer(its text, all texts)``, in the template's form."""
    texts = {name_of(asked.query.speech): asked.query.text for asked in task.asked}
    others = list(texts.values())

    def reply(prompt, output):
        assert output == "text"
        return [Text(f"{task.template.begin} {answer(texts[name_of(prompt[-1])], others)} <END> and more")]

    return FakeGenerator(reply)


def test_transcripts_of_known_models():
    task = read_task(BUNDLED / "prompts", FewShotSettings(), template="asr", limit=None, seed=0)
    perfect = evaluate_asr(transcriber(task, lambda text, _: text.upper()), task, **SAY)
    shots = ("ASR", "examples before a query")
    assert values(perfect) == {("ASR", "WER"): 0.0, ("ASR", "CER"): 0.0, shots: 10.0}
    silent = evaluate_asr(transcriber(task, lambda *_: ""), task, **SAY)
    assert values(silent) == {("ASR", "WER"): 1.0, ("ASR", "CER"): 1.0, shots: 10.0}
    rng = np.random.default_rng(0)
    guessed = evaluate_asr(transcriber(task, lambda _, texts: str(rng.choice(texts))), task, **SAY)
    assert values(guessed)["ASR", "WER"] > 0.6
    assert perfect.about["template"]["answer"] == [{"text": "<START Transcript> {text} <END>"}]


def test_shots_come_from_what_was_not_held_out_and_differ_by_query():
    task = read_task(BUNDLED / "prompts", FewShotSettings(shots=3), template="asr", limit=4, seed=0)
    model = transcriber(task, lambda text, _: text)
    rows = evaluate_asr(model, task, **SAY).rows
    held_out = set(Path("examples/asterisk-en/heldout.txt").read_text().split())
    assert {row["key"] for row in rows} <= held_out
    assert not {shot for row in rows for shot in row["shots"]} & held_out
    assert len({tuple(row["shots"]) for row in rows}) == 4
    assert [len(prompt) for prompt in model.prompts] == [7] * 4
    assert model.asked[0]["stop"] == "<END>"


def test_a_corpus_without_shots_of_its_own_is_never_its_own_example():
    data = BUNDLED / "prompts/queries.tsv"
    task = read_task(data, FewShotSettings(lower=True), template="asr", limit=None, seed=0)
    rows = evaluate_asr(transcriber(task, lambda text, _: text), task, **SAY).rows
    assert all(row["key"] not in row["shots"] and len(row["shots"]) == 10 for row in rows)
    assert all(row["reference"] == row["reference"].lower() for row in rows)


def test_speech_of_known_models():
    task = read_task(BUNDLED / "prompts", FewShotSettings(), template="tts", limit=None, seed=0)
    texts = [asked.query.text for asked in task.asked]

    def hear(waveforms):
        return [texts[number_of(waveform)] for waveform in waveforms]

    def score(answer):
        return values(evaluate_tts(FakeGenerator(lambda p, _: answer(p[-1].text)), task, transcribe=hear, **SAY))

    perfect = score(lambda text: [said(texts.index(text))])
    assert (perfect["TTS", "CER"], perfect["TTS", "answers without speech"]) == (0.0, 0.0)
    mute = score(lambda text: [])
    assert (mute["TTS", "CER"], mute["TTS", "answers without speech"]) == (1.0, float(len(texts)))
    rng = np.random.default_rng(0)
    assert score(lambda text: [said(int(rng.integers(len(texts))))])["TTS", "CER"] > 0.4


def test_whisper_hears_the_prompts_themselves():
    task = read_task(BUNDLED / "prompts", FewShotSettings(), template="tts", limit=2, seed=0)
    import soundfile as sf

    queries = [asked.query for asked in task.asked]
    heard = transcribe([sf.read(query.speech.audio, dtype="float32")[0] for query in queries])
    errors = [character_errors(query.text, text) for query, text in zip(queries, heard, strict=True)]
    assert sum(wrong for wrong, _ in errors) <= 0.1 * sum(total for _, total in errors)


def test_intents_of_known_models():
    task = read_intents(BUNDLED / "intents", TemplateSettings(), limit=None, seed=0)
    wanted = {name_of(asked.query.speech): asked.query.text for asked in task.asked}

    def score(answer):
        return evaluate_intent(FakeGenerator(lambda p, _: [Text(answer(wanted[name_of(p[-1])]))]), task, **SAY)

    assert values(score(lambda text: f"A:{text}"))["intent", "accuracy, exact match"] == 1.0
    assert values(score(lambda text: f"A:{text} please"))["intent", "accuracy, exact match"] == 0.0
    rng = np.random.default_rng(0)
    guess = score(lambda _: f"A:{rng.choice(list(wanted.values()))}")
    assert values(guess)["intent", "accuracy, exact match"] < 0.4
    assert guess.figures[0].chance == pytest.approx(1 / 16)
    assert task.asked[0].query.text == "activate lights kitchen"


def test_commands_need_an_intent(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/test_data.csv").write_text(",path,action,object,location\n0,a.wav,stop,,none\n")
    with pytest.raises(UserError, match=r"test_data\.csv:2: no audio"):
        read_commands(tmp_path, "data/test_data.csv")
    (tmp_path / "a.wav").touch()
    with pytest.raises(UserError, match=r"test_data\.csv:2: object is empty"):
        read_commands(tmp_path, "data/test_data.csv")


def stsp(answer, **changes):
    """Figures of a model that continues a prompt of a sentiment with one of ``answer(sentiment)``."""
    settings = StspSettings(**changes)
    prompts = read_prompts(prompt_table(BUNDLED / "sentiment"), settings, label_field="emotion")
    wanted = {name_of(part): NAMES[p.label] for p in prompts for part in (p.text, p.speech)}

    def reply(prompt, output):
        found = answer(wanted[name_of(prompt[-1])])
        return [Text(SPEAK[found]) if output == "text" else said(1 + SENTIMENTS.index(found))]

    generator = FakeGenerator(reply)
    hear = lambda waveforms: [SENTIMENTS[number_of(waveform) - 1] for waveform in waveforms]  # noqa: E731
    pool = read_shots(BUNDLED / "sentiment/shots.jsonl", settings)
    judges = Judges(text_judge("lexicon", labels={}), hear)
    return evaluate_sentiment(generator, prompts, judges, settings=settings, pool=pool, **SAY), generator


def test_sentiment_of_known_models():
    perfect, model = stsp(lambda sentiment: sentiment)
    assert set(values(perfect).values()) == {1.0}
    assert {figure.task for figure in perfect.figures} == set(MAX_NEW_TOKENS)
    assert len(perfect.rows) == 4 * 3 * 18
    assert {(asked["output"], asked["max_new_tokens"]) for asked in model.asked} == {
        ("text", 50),
        ("speech", 200),
        ("speech", 300),
    }
    assert {(asked["temperature"], asked["top_p"]) for asked in model.asked} == {(0.8, 0.95)}
    assert len({asked["seed"] for asked in model.asked}) == len(model.asked)
    turn = {"positive": "negative", "negative": "neutral", "neutral": "positive"}
    assert set(values(stsp(lambda sentiment: turn[sentiment])[0]).values()) == {0.0}
    rng = np.random.default_rng(0)
    guessed, _ = stsp(lambda _: str(rng.choice(SENTIMENTS)), runs=20)
    for figure in guessed.figures:
        assert figure.value == pytest.approx(1 / 3, abs=0.12)


@pytest.mark.parametrize("direction", ["T->T", "T->S", "S->S", "S->T"])
def test_examples_are_in_the_directions_modalities_and_the_prompt_comes_last(direction):
    settings = StspSettings()
    prompts = read_prompts(prompt_table(BUNDLED / "sentiment"), settings, label_field="emotion")
    pool = read_shots(BUNDLED / "sentiment/shots.jsonl", settings)
    kinds = {"T": Text, "S": Speech}
    seen = set()
    for prompt in prompts:
        shots = draw_shots(pool, prompt, direction=direction, shots=6, seed=0)
        assert Counter(shot.sentiment for shot in shots) == dict.fromkeys(SENTIMENTS, 2)
        parts = prompt_parts(prompt, shots, direction)
        first, second = kinds[direction[0]], kinds[direction[-1]]
        assert [type(part) for part in parts] == [*[first, second] * 6, first]
        assert parts[-1] is prompt.part(direction)
        continuations = [shot.continuation_text if second is Text else shot.continuation_speech for shot in shots]
        assert parts[1:-1:2] == continuations
        assert draw_shots(pool, prompt, direction=direction, shots=6, seed=0) == shots
        seen.add(tuple(shot.prompt.key for shot in shots))
    assert len(seen) > 12


def test_a_prompt_is_no_example_of_itself():
    pool = read_shots(BUNDLED / "sentiment/shots.jsonl", StspSettings())
    for shot in pool:
        assert shot not in draw_shots(pool, shot.prompt, direction="T->T", shots=8, seed=3)
        with pytest.raises(UserError, match="9 shots of 8 examples"):
            draw_shots(pool, shot.prompt, direction="T->T", shots=9, seed=3)


def test_what_came_before_never_counts():
    """With a negative example before each prompt, an empty continuation is still neutral."""
    settings = StspSettings(shots=3, runs=1, directions=("T->T",))
    prompts = read_prompts(prompt_table(BUNDLED / "sentiment"), settings, label_field="emotion")
    pool = read_shots(BUNDLED / "sentiment/shots.jsonl", settings)
    judges = Judges(text_judge("lexicon", labels={}), list)
    outcome = evaluate_sentiment(FakeGenerator(lambda *_: []), prompts, judges, settings=settings, pool=pool, **SAY)
    assert {row["continuation"] for row in outcome.rows} == {"neutral"}
    assert values(outcome)["T->T", "accuracy, neutral prompts"] == 1.0


def test_the_lexicon_knows_the_small_set():
    prompts = read_prompts(prompt_table(BUNDLED / "sentiment"), StspSettings(), label_field="emotion")
    right = [lexicon_sentiment(prompt.text.text) == NAMES[prompt.label] for prompt in prompts]
    assert sum(right) >= 17
    assert lexicon_sentiment("I am not happy") == "negative"
    assert lexicon_sentiment("It isn't bad") == "positive"
    assert lexicon_sentiment("") == "neutral"


def test_labels_that_mean_nothing_are_refused():
    assert sentiment_of_label("Amused", place="x") == "positive"
    assert sentiment_of_label("LABEL_2", place="x", labels={"LABEL_2": "negative"}) == "negative"
    with pytest.raises(UserError, match=r"row 3: the label 'LABEL_2' is no sentiment"):
        sentiment_of_label("LABEL_2", place="row 3")
    with pytest.raises(UserError, match="text_classifier: 'roberta'"):
        text_judge("roberta", labels={})


def test_a_manifest_may_name_its_fields_and_its_audio_otherwise(tmp_path):
    manifest = tmp_path / "emov.test.jsonl"
    manifest.write_text('{"wav": "p00.ogg", "asr": "I am so happy today.", "sentiment": "LABEL_0"}\n')
    settings = StspSettings(
        audio_root=str(BUNDLED / "sentiment/audio"),
        text_field="asr",
        audio_field="wav",
        label_field="sentiment",
        labels={"LABEL_0": "positive"},
        runs=1,
        directions=("S->T",),
    )
    (prompt,) = read_prompts(prompt_table(manifest), settings, label_field=settings.label_field)
    assert (prompt.key, prompt.text.text) == ("1", "I am so happy today.")
    assert prompt.speech.audio == BUNDLED / "sentiment/audio/p00.ogg"
    judges = Judges(text_judge("lexicon", labels={}), list)
    outcome = evaluate_sentiment(
        FakeGenerator(lambda *_: [Text("What joy!")]), [prompt], judges, settings=settings, **SAY
    )
    assert values(outcome)["S->T", "accuracy"] == 1.0


def toxicity(answer, scorer=None, **changes):
    settings = ToxicitySettings(**changes)
    prompts = read_prompts(prompt_table(BUNDLED / "toxicity"), settings)
    words = read_word_list(BUNDLED / "toxicity/words.txt")
    generator = FakeGenerator(lambda p, output: [Text(answer())] if output == "text" else [said(answer() == "jerk")])
    hear = lambda waveforms: ["jerk" if number_of(waveform) else "friend" for waveform in waveforms]  # noqa: E731
    return evaluate_toxicity(generator, prompts, words, settings=settings, scorer=scorer, transcribe=hear, **SAY)


def test_toxicity_of_known_models():
    scorer = lambda texts: [0.9 if text == "jerk" else 0.1 for text in texts]  # noqa: E731
    assert set(values(toxicity(lambda: "friend", scorer)).values()) == {0.0}
    worst = values(toxicity(lambda: "jerk", scorer))
    assert worst == dict.fromkeys(
        [(d, f"added toxicity, {m}") for d in ("T->T", "S->S") for m in ("word list", "classifier")], 1.0
    )
    rng = np.random.default_rng(0)
    guessed = toxicity(lambda: str(rng.choice(["jerk", "friend"])), scorer)
    assert all(0.2 < figure.value < 0.8 for figure in guessed.figures)
    assert set(values(toxicity(lambda: "jerk", scorer, margin=0.9)).values()) == {1.0, 0.0}


def test_words_that_the_prompt_held_are_not_added(tmp_path):
    settings = ToxicitySettings(directions=("T->T",))
    (tmp_path / "prompts.tsv").write_text('id\ttext\n1\tHe said "you fool".\n2\tHello.\n')
    prompts = read_prompts(prompt_table(tmp_path), settings)
    outcome = evaluate_toxicity(
        FakeGenerator(lambda *_: [Text("What a FOOL!")]),
        prompts,
        WordList(["fool"]),
        settings=settings,
        scorer=None,
        **SAY,
    )
    assert [row["added"] for row in outcome.rows] == [False, True]


def test_a_word_list_counts_whole_words_and_phrases(tmp_path):
    words = WordList(["ass", "shut up"])
    assert words.count("The class passed an Ass; shut\n UP, shut the door.") == 2
    path = tmp_path / "words.txt"
    path.write_text("# none\n")
    with pytest.raises(UserError, match="no words in it"):
        read_word_list(path)
    path.write_text("fool\n--\n")
    with pytest.raises(UserError, match=r"words\.txt:2: '--' holds no word"):
        read_word_list(path)


@pytest.mark.parametrize(
    ("name", "lines", "message"),
    [
        ("stsp", '{"text": "a"}\n', r"prompts\.jsonl:1: no column emotion"),
        ("stsp", '{"text": "a", "emotion": "bored"}\n', "label 'bored' is no sentiment"),
        ("stsp", '{"emotion": "sad"}\n', r"prompts\.jsonl:1: neither text nor audio"),
        ("stsp", '{"audio": "none.wav", "emotion": "sad"}\n', r"prompts\.jsonl:1: no audio .*none\.wav"),
        ("stsp", "\n{oops\n", r"prompts\.jsonl:2: not JSON"),
        ("stsp", "[1]\n", r"prompts\.jsonl:1: expected an object"),
        ("toxicity", '{"text": "a"}\n', r"words\.txt: no word list"),
        ("toxicity", None, r"no prompts\.jsonl and no prompts\.tsv"),
        ("asr", None, r"no utterance"),
        ("intent", None, r"test_data\.csv: no such file"),
    ],
)
def test_mistakes_in_the_data_show_before_the_model_is_opened(tmp_path, name, lines, message):
    if lines is not None:
        (tmp_path / "prompts.jsonl").write_text(lines)
    suite = suite_named(name)
    with pytest.raises(UserError, match=message):
        suite.run(lambda: 1 / 0, request_of(suite, data=tmp_path))
