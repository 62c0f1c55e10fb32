"""Cases of BUCC, LAReQA and Mewsli-X."""

import json

from tests.trainables.task_cases.case import Case, each, jsonl
from trainables.examples import Dropped, Passage
from trainables.task import Split

CORPORA = {"zh": "zh-1\t\u4f60\u597d\u3002\nzh-2\t\u4e0d\u3002\n", "en": "en-7\tNo.\nen-9\tHello.\n", "gold": "zh-1\ten-9\n"}
SENTENCES = [
    Passage("zh-1", "\u4f60\u597d\u3002", "query", ("en-9",)),
    Passage("zh-2", "\u4e0d\u3002", "query", ()),
    Passage("en-7", "No.", "candidate", ()),
    Passage("en-9", "Hello.", "candidate", ()),
]


def xquad_r(context: str, breaks: list[list[int]], question: str, start: int) -> str:
    """A file of XQuAD-R with one paragraph, and two questions: one with an answer, and one whose answer is between sentences."""
    questions = [
        {"id": "56be", "question": question, "answers": [{"text": context[start], "answer_start": start}]},
        {"id": "57aa", "question": "?", "answers": [{"text": " ", "answer_start": breaks[0][1]}]},
    ]
    sentences = [context[first:end] for first, end in breaks]
    paragraph = {"context": context, "qas": questions, "sentence_breaks": breaks, "sentences": sentences}
    return json.dumps({"version": "1.1", "data": [{"title": "t", "paragraphs": [paragraph]}]})


XQUAD_R = {
    f"lareqa/xquad-r/{language}.json": xquad_r(f"{language} a.\n{language} b.", [[0, 5], [6, 11]], f"{language}?", 3)
    for language in ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
}
XQUAD_R_LANGUAGES = [path[-7:-5] for path in XQUAD_R]

ARTICLE = {
    "context": {
        "document_id": "tr-1",
        "language": "tr",
        "text": "Bir {iki}. Ankara\nuyudu. Son",
        "sentence_spans": [{"start": 0, "end": 10}, {"start": 11, "end": 24}],
    },
    "mentions": [
        {"example_id": "m1", "entity_id": "Q3640", "mention_span": {"start": 11, "end": 17, "text": "Ankara"}},
        {"example_id": "m2", "entity_id": "Q2", "mention_span": {"start": 5, "end": 8, "text": "iki"}},
        {"example_id": "m3", "entity_id": "Q9", "mention_span": {"start": 25, "end": 28, "text": "Son"}},
    ],
}
ENTITIES = [
    {"entity_id": "Q3640", "description": "Ankara ist eine Stadt. Sie ist gross.", "sentence_spans": [{"start": 0, "end": 22}]},
    {"entity_id": "Q2", "description": "Two  is\na number.", "sentence_spans": [{"start": 0, "end": 17}]},
]

CASES = [
    *(
        Case("bucc2018", split, "zh", {f"bucc2018/zh-en.{name}.{part}": content for part, content in CORPORA.items()}, SENTENCES)
        for split, name in (("dev", "dev"), ("test", "test"), ("dev", "sample"), ("test", "training"))
    ),
    Case(
        "bucc2018",
        "dev",
        "de",
        {"bucc2018/de-en.dev.de": "de-0\tJa.\n", "bucc2018/de-en.dev.en": "en-0\tYes.\n", "bucc2018/de-en.dev.gold": "de-0\ten-0\n"},
        [Passage("de-0", "Ja.", "query", ("en-0",)), Passage("en-0", "Yes.", "candidate", ())],
        [{"source_sentence": "Ja.", "target_sentence": "Yes.", "source_lang": "de", "target_lang": "en"}],
    ),
    Case(
        "lareqa",
        "test",
        "de",
        XQUAD_R,
        [
            Passage("56be_de", "de?", "query", tuple(f"{language}_1_0" for language in XQUAD_R_LANGUAGES)),
            Dropped("57aa", "the answer begins in no sentence"),
            *(
                Passage(f"{language}_1_{place}", f"{sentence}{language} a.{language} b.", "candidate", ())
                for language in XQUAD_R_LANGUAGES
                for place, sentence in enumerate((f"{language} a.", f"{language} b."))
            ),
        ],
    ),
    Case(
        "mewslix",
        "test",
        "tr",
        {
            "mewsli-x/wikinews_mentions-test.jsonl": jsonl(ARTICLE, ARTICLE | {"context": ARTICLE["context"] | {"language": "en"}}),
            "mewsli-x/candidate_set_entities.jsonl": jsonl(*ENTITIES),
        },
        [
            Passage("m1", "Ankara: { Ankara } uyudu.", "query", ("Q3640",)),
            Passage("m2", "iki: Bir { { iki } }.", "query", ("Q2",)),
            Dropped("m3", "the mention is in no one sentence"),
            Passage("Q3640", "Ankara ist eine Stadt.", "candidate", ()),
            Passage("Q2", "Two is a number.", "candidate", ()),
        ],
    ),
]

COUNTS: dict[tuple[str, Split], dict[str, int]] = {
    ("bucc2018", "dev"): {"zh": 8624},
    ("lareqa", "test"): each("ar de el en es hi ru th tr vi zh", 632),
}
