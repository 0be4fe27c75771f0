"""Where the public evaluation sets come from. ``plait evaluate`` never downloads: fetch, unpack, name with ``--data``.

A digest stands here where its publisher states one that could be found; the others say ``not published``. There,
compare the number of items.
"""

from dataclasses import dataclass

NOT_PUBLISHED = "not published"


@dataclass(frozen=True, slots=True)
class PublicSet:
    """A set, the command that fetches it, what to name as ``--data``, its published digest, its size and its terms."""

    what: str
    fetch: str
    data: str
    digest: str = NOT_PUBLISHED
    size: str = ""
    terms: str = ""


PUBLIC_SETS: dict[str, PublicSet] = {
    "sLM21": PublicSet(
        what="ZeroSpeech 2021: sWUGGY (lexical) and sBLIMP (syntactic), dev and test",
        fetch="pip install zerospeech-benchmarks && zrc datasets:pull sLM21-dataset",
        data="~/zr-data/datasets/sLM21-dataset, the folder that holds lexical/ and syntactic/",
        digest="md5 in the publisher's index, download.zerospeech.com/repo.json, which `zrc` compares with",
        size="about 31 GB",
        terms="see the README in the archive",
    ),
    "sStoryCloze": PublicSet(
        what="spoken StoryCloze (Hassid et al. 2023): whole stories, so S->S as whole sequences alone",
        fetch="pip install gdown && gdown 19ZnkM4vjApCZipd7xQ1ESlOi5oBVrlFL && unzip sSC.zip",
        data="sSC",
        size="1871 stories",
        terms="github.com/slp-rl/SpokenStoryCloze",
    ),
    "tStoryCloze": PublicSet(
        what="spoken Topic-StoryCloze (Hassid et al. 2023): whole stories, as above",
        fetch="pip install gdown && gdown 17prYkldYb3w3Pyg3Pm77-VnE6nkD5jzG && unzip tSC.zip",
        data="tSC",
        size="1871 stories",
        terms="github.com/slp-rl/SpokenStoryCloze",
    ),
    "StoryCloze-text": PublicSet(
        what="the written Story Cloze Test, 2016 (Mostafazadeh et al.)",
        fetch="by request: https://cs.rochester.edu/nlp/rocstories/",
        data="the .csv, or a folder with it alone",
        size="1871 stories in the test set",
        terms="by agreement with its authors",
    ),
    "LibriSpeech": PublicSet(
        what="LibriSpeech test-clean, for few-shot ASR and TTS",
        fetch="curl -LO https://www.openslr.org/resources/12/test-clean.tar.gz && tar xf test-clean.tar.gz",
        data="LibriSpeech/test-clean",
        digest="md5 32fa31d27d2e1cad72775fee3f4849a9 (openslr.org/resources/12/md5sum.txt)",
        size="2620 utterances, 346 MB",
        terms="CC-BY-4.0",
    ),
    "FluentSpeechCommands": PublicSet(
        what="Fluent Speech Commands (Lugosch et al. 2019), for intents",
        fetch="by form: https://fluent.ai/fluent-speech-commands-a-dataset-for-spoken-language-understanding-research/",
        data="fluent_speech_commands_dataset",
        size="3793 test utterances",
        terms="academic licence of Fluent.ai",
    ),
    "STSP": PublicSet(
        what="Speech-Text Sentiment Preservation (Nguyen et al. 2025): EMOV and Expresso prompts",
        fetch="curl -LO https://dl.fbaipublicfiles.com/textless_nlp/spiritlm/stsp.tar.gz && tar xf stsp.tar.gz",
        data="a manifest below manifest/, with --set audio_root=FOLDER and the names of its fields",
        size="351 (EMOV), 462 (Expresso-ASR), 54 (Expresso-read) test prompts",
        terms="non-commercial",
    ),
    "HolisticBias": PublicSet(
        what="HolisticBias prompts (Smith et al. 2022) and the ETOX lists of Toxicity-200",
        fetch="git clone https://github.com/facebookresearch/ResponsibleNLP (prompts); "
        "https://github.com/facebookresearch/flores (lists)",
        data="a .jsonl or .tsv with id and text; the list with --set words=FILE",
        terms="see the repositories",
    ),
    "TIMIT": PublicSet(
        what="TIMIT, hand-labelled phones",
        fetch="from the LDC, catalogue number LDC93S1",
        data="TEST (or any folder with .wav and .phn)",
        size="1680 test utterances",
        terms="LDC licence",
    ),
}
