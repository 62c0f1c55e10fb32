"""Cases of NLI, SQuAD, CommonsenseQA, XTREME's tagging and Tatoeba, and text."""

from tests.trainables.task_cases.case import Case, each, hub_squad, jsonl, squad_json
from trainables.examples import Answer, Choice, Dropped, Line, Passage, Question, Sentence, Text
from trainables.task import TASKS, Split

MNLI_JSON = {
    "annotator_labels": ["neutral"],
    "genre": "slate",
    "promptID": "63735",
    "sentence1_parse": "(ROOT)",
    "sentence2_parse": "(ROOT)",
}
XNLI_JSON = {"annotator_labels": ["neutral"], "genre": "facetoface", "match": "True", "promptID": "1"}
XNLI_ROWS = [
    {"language": "ar", "sentence1": "a", "sentence2": "b", "gold_label": "neutral"},
    {"language": "de", "sentence1": "Mama, ich bin da.", "sentence2": "Er rief an.", "gold_label": "neutral"},
    {"language": "de", "sentence1": "Mama.", "sentence2": "Er schwieg.", "gold_label": "contradiction"},
]
NO_MAJORITY = "no label that most annotators chose"
SQUAD_CONTEXT = "Architecturally, the school has a Catholic character."
SQUAD_ANSWER = {"text": "a Catholic character", "answer_start": 32}
UNANSWERED = {"id": "5a8d", "question": "What else?", "answers": [], "is_impossible": True, "plausible_answers": [SQUAD_ANSWER]}


CASES = [
    Case(
        "mnli",
        "dev",
        "en",
        {
            "mnli/multinli_1.0/multinli_1.0_dev_matched.jsonl": jsonl(
                {
                    **MNLI_JSON,
                    "pairID": "63735n",
                    "gold_label": "neutral",
                    "sentence1": "The rights are nice",
                    "sentence2": "Everyone likes them ",
                },
                {**MNLI_JSON, "pairID": "91383c", "gold_label": "-", "sentence1": "This site", "sentence2": "That site"},
            )
        },
        [Text("63735n", "The rights are nice", "Everyone likes them", "neutral"), Dropped("91383c", NO_MAJORITY)],
        [
            {"pairID": "63735n", "promptID": "63735", "premise": "The rights are nice", "hypothesis": "Everyone likes them ", "label": 1},
            {"pairID": "91383c", "promptID": "91383", "premise": "This site", "hypothesis": "That site", "label": -1},
        ],
    ),
    Case(
        "mnli",
        "dev",
        "en",
        {"mnli/dev_matched.unified.jsonl": jsonl({"premise": "a", "hypothesis": "b", "label": "contradiction"})},
        [Text("0", "a", "b", "contradiction")],
    ),
    Case(
        "snli",
        "train",
        "en",
        {
            "snli/snli_1.0/snli_1.0_train.jsonl": jsonl(
                {"captionID": "1.jpg#4", "pairID": "1.jpg#4r1n", "gold_label": "-", "sentence1": "A man", "sentence2": "A woman"},
                {
                    "captionID": "1.jpg#4",
                    "pairID": "1.jpg#4r1c",
                    "gold_label": "contradiction",
                    "sentence1": "A man",
                    "sentence2": "No one",
                },
            )
        },
        [Dropped("0", NO_MAJORITY), Text("1", "A man", "No one", "contradiction")],
        [{"premise": "A man", "hypothesis": "A woman", "label": -1}, {"premise": "A man", "hypothesis": "No one", "label": 2}],
    ),
    Case(
        "snli",
        "dev",
        "en",
        {"snli/dev.unified.jsonl": jsonl({"premise": "a", "hypothesis": "b", "label": "entailment"})},
        [Text("0", "a", "b", "entailment")],
    ),
    Case(
        "snli_cad",
        "train",
        "en",
        {"snli_cad/NLI/all_combined/train.tsv": 'sentence1\tsentence2\tgold_label\n"A sign says ""go""."\tA sign.\tentailment\n'},
        [Text("0", 'A sign says "go".', "A sign.", "entailment")],
    ),
    Case(
        "xnli",
        "dev",
        "de",
        {
            "xnli/XNLI-1.0/xnli.dev.jsonl": jsonl(
                {**XNLI_JSON, "language": "ar", "pairID": "1", "gold_label": "neutral", "sentence1": "a", "sentence2": "b"},
                {
                    **XNLI_JSON,
                    "language": "de",
                    "pairID": "1",
                    "gold_label": "neutral",
                    "sentence1": "Mama, ich bin da.",
                    "sentence2": "Er rief an.",
                },
                {
                    **XNLI_JSON,
                    "language": "de",
                    "pairID": "2",
                    "gold_label": "contradiction",
                    "sentence1": "Mama.",
                    "sentence2": "Er schwieg.",
                },
            )
        },
        [Text("0", "Mama, ich bin da.", "Er rief an.", "neutral"), Text("1", "Mama.", "Er schwieg.", "contradiction")],
        XNLI_ROWS,
    ),
    Case(
        "xnli",
        "dev",
        "de",
        {"xnli/dev-de.tsv": "Mama, ich bin da.\tEr rief an.\tneutral\nMama.\tEr schwieg.\tcontradictory\n"},
        [Text("0", "Mama, ich bin da.", "Er rief an.", "neutral"), Text("1", "Mama.", "Er schwieg.", "contradiction")],
        XNLI_ROWS,
    ),
    Case("xnli", "test", "de", {"xnli/test-de.tsv": "Nun gut.\tNein.\n"}, [Text("0", "Nun gut.", "Nein.", None)]),
    Case(
        "pawsx",
        "dev",
        "fr",
        {"pawsx/x-final/fr/dev_2k.tsv": 'id\tsentence1\tsentence2\tlabel\n4\t"A" et B\tB et A\t1\n6\tNS\tC\t0\n'},
        [Text("4", '"A" et B', "B et A", "1"), Text("6", "NS", "C", "0")],
    ),
    Case(
        "pawsx",
        "dev",
        "fr",
        {"pawsx/dev-fr.tsv": '"""A"" et B"\tB et A\t1\r\nNS\tC\t0\r\n'},
        [Text("0", '"A" et B', "B et A", "1"), Text("1", "NS", "C", "0")],
        [{"sentence1": '"A" et B', "sentence2": "B et A", "label": "1"}, {"sentence1": "NS", "sentence2": "C", "label": "0"}],
    ),
    Case("pawsx", "test", "fr", {"pawsx/test-fr.tsv": "A\tB\n"}, [Text("0", "A", "B", None)]),
    Case(
        "panx",
        "test",
        "en",
        {"panx/en/test": "en:India\tB-LOC\nen:;\tO\nen:at:7\tO\n\nen:Adyar\tB-LOC\n\n"},
        [Sentence("0", ("India", ";", "at:7"), ("B-LOC", "O", "O")), Sentence("1", ("Adyar",), ("B-LOC",))],
        [
            {"tokens": ["India", ";", "at:7"], "ner_tags": [5, 0, 0], "langs": ["en"] * 3},
            {"tokens": ["Adyar"], "ner_tags": [5], "langs": ["en"]},
        ],
    ),
    Case(
        "panx",
        "train",
        "en",
        {"panx/train-en.tsv": "R.H.\tB-ORG\nSaunders\tI-ORG\n(\tO\n"},
        [Sentence("0", ("R.H.", "Saunders", "("), ("B-ORG", "I-ORG", "O"))],
        [{"tokens": ["R.H.", "Saunders", "("], "ner_tags": [3, 4, 0], "langs": ["en"] * 3}],
    ),
    Case("panx", "test", "th", {"panx/test-th.tsv": "เ\nด\n\nอ\n"}, [Sentence("0", ("เ", "ด"), None), Sentence("1", ("อ",), None)]),
    Case(
        "udpos",
        "dev",
        "fa",
        {"udpos/dev-fa.tsv": "From\tADP\nmi-rav\tVERB\n\n15000\tNUM\n"},
        [Sentence("0", ("From", "mi-rav"), ("ADP", "VERB")), Sentence("1", ("15000",), ("NUM",))],
        [{"tokens": ["From", "mi\u200c-rav"], "pos_tags": [1, 15]}, {"tokens": ["15 000"], "pos_tags": [8]}],
    ),
    Case("udpos", "test", "yo", {"udpos_xtreme/test-yo.tsv": "ohun\ntí\n"}, [Sentence("0", ("ohun", "tí"), None)]),
    Case(
        "squad1",
        "train",
        "en",
        {"squad_v1.1/train-v1.1.json": squad_json(SQUAD_CONTEXT, {"id": "5733", "question": "What?", "answers": [SQUAD_ANSWER]})},
        [Question("5733", "What?", SQUAD_CONTEXT, (Answer("a Catholic character", 32),))],
        [hub_squad("5733", "What?", SQUAD_CONTEXT, SQUAD_ANSWER)],
    ),
    Case(
        "squad1",
        "dev",
        "en",
        {
            "squad_v1.1/dev-v1.1.part1.json": squad_json(
                " a b", {"id": "1", "question": "Q", "answers": [{"text": "b", "answer_start": 3}]}
            ),
            "squad_v1.1/dev-v1.1.part2.json": squad_json(
                "c", {"id": "2", "question": "R", "answers": [{"text": "c", "answer_start": 0}] * 2}
            ),
        },
        [Question("1", "Q", "a b", (Answer("b", 2),)), Question("2", "R", "c", (Answer("c", 0), Answer("c", 0)))],
        [
            hub_squad("1", "Q", " a b", {"text": "b", "answer_start": 3}),
            hub_squad("2", "R", "c", *[{"text": "c", "answer_start": 0}] * 2),
        ],
    ),
    Case(
        "squad2",
        "train",
        "en",
        {
            "squad_v2.0/train-v2.0.json": squad_json(
                SQUAD_CONTEXT, {"id": "56be", "question": "What?", "answers": [SQUAD_ANSWER], "is_impossible": False}, UNANSWERED
            )
        },
        [
            Question("56be", "What?", SQUAD_CONTEXT, (Answer("a Catholic character", 32),)),
            Question("5a8d", "What else?", SQUAD_CONTEXT, ()),
        ],
        [hub_squad("56be", "What?", SQUAD_CONTEXT, SQUAD_ANSWER), hub_squad("5a8d", "What else?", SQUAD_CONTEXT)],
    ),
    Case(
        "squad2",
        "train",
        "en",
        {"squad_v2.0/train-v2.0.first10articles.json": squad_json(SQUAD_CONTEXT, UNANSWERED)},
        [Question("5a8d", "What else?", SQUAD_CONTEXT, ())],
    ),
    Case(
        "xquad",
        "test",
        "zh",
        {
            "xquad/xquad.zh.json": squad_json(
                " 黑豹队的防守。", {"id": "56be", "question": "谁?", "answers": [{"text": "防守", "answer_start": 5}]}
            )
        },
        [Question("56be", "谁?", "黑豹队的防守。", (Answer("防守", 4),))],
        [hub_squad("56be", "谁?", "黑豹队的防守。", {"text": "防守", "answer_start": 5})],
    ),
    Case(
        "commonsenseqa",
        "dev",
        "en",
        {
            "commonsenseqa/dev_rand_split.jsonl": jsonl(
                {
                    "answerKey": "B",
                    "id": "1afa",
                    "question": {
                        "question_concept": "door",
                        "choices": [{"label": "A", "text": "bank"}, {"label": "B", "text": "mall"}],
                        "stem": "A revolving door?",
                    },
                }
            )
        },
        [Choice("1afa", "A revolving door?", ("bank", "mall"), 1)],
        [
            {
                "id": "1afa",
                "question": "A revolving door?",
                "question_concept": "door",
                "choices": {"label": ["A", "B"], "text": ["bank", "mall"]},
                "answerKey": "B",
            }
        ],
    ),
    Case(
        "commonsenseqa",
        "test",
        "en",
        {
            "commonsenseqa/test_rand_split_no_answers.jsonl": jsonl(
                {"id": "90b3", "question": {"question_concept": "c", "choices": [{"label": "A", "text": "suburb"}], "stem": "Where?"}}
            )
        },
        [Choice("90b3", "Where?", ("suburb",), None)],
        [
            {
                "id": "90b3",
                "question": "Where?",
                "question_concept": "c",
                "choices": {"label": ["A"], "text": ["suburb"]},
                "answerKey": "",
            }
        ],
    ),
    Case(
        "tatoeba",
        "test",
        "de",
        {"tatoeba/v1/tatoeba.deu-eng.deu": "Guten Tag.\nJa.\n", "tatoeba/v1/tatoeba.deu-eng.eng": "Good day.\nYes.\n"},
        [
            Passage("0", "Good day.", "query", ("0",)),
            Passage("0", "Guten Tag.", "candidate", ()),
            Passage("1", "Yes.", "query", ("1",)),
            Passage("1", "Ja.", "candidate", ()),
        ],
        [
            {"source_sentence": "Guten Tag.\n", "target_sentence": "Good day.\n", "source_lang": "deu", "target_lang": "eng"},
            {"source_sentence": "Ja.\n", "target_sentence": "Yes.\n", "source_lang": "deu", "target_lang": "eng"},
        ],
    ),
    Case("ntrex128", "train", "zh", {"ntrex128/newstest2019-ref.zho-CN.txt": "你好\r\n"}, [Line("0", "你好", None)]),
    Case(
        "ntrex128_pairs",
        "train",
        "zh",
        {"ntrex128/newstest2019-ref.zho-CN.txt": "你好\n", "ntrex128/newstest2019-src.eng.txt": "Hello\n"},
        [Line("0", "你好", "Hello")],
    ),
    Case("ntrex128", "train", "en", {"ntrex128/newstest2019-src.eng.txt": "Hello\r\n"}, [Line("0", "Hello", None)]),
    Case(
        "text",
        "train",
        "sw",
        {"text/sw.txt": "Habari.\n\nNzuri.\n"},
        [Line("0", "Habari.", None), Dropped("1", "blank line"), Line("2", "Nzuri.", None)],
    ),
    Case(
        "wikipedia",
        "train",
        "sw",
        {
            "wikipedia/sw/AA/wiki_00": jsonl(
                {"id": "12", "revid": "1", "url": "u", "title": "Akiolojia", "text": "Akiolojia\nni sayansi.\n"}
            ),
            "wikipedia/sw/AA/wiki_01": jsonl({"id": "15", "revid": "2", "url": "u", "title": "Tupu", "text": ""}),
        },
        [Line("12", "Akiolojia\nni sayansi.", None), Dropped("15", "no text")],
        [
            {"id": "12", "url": "u", "title": "Akiolojia", "text": "Akiolojia\nni sayansi.\n"},
            {"id": "15", "url": "u", "title": "Tupu", "text": ""},
        ],
    ),
]

COUNTS: dict[tuple[str, Split], dict[str, int]] = {
    ("commonsenseqa", "train"): {"en": 9741},
    ("commonsenseqa", "dev"): {"en": 1221},
    ("commonsenseqa", "test"): {"en": 1140},
    ("mnli", "dev"): {"en": 9815},
    ("snli_cad", "train"): {"en": 8330},
    ("snli_cad", "dev"): {"en": 1000},
    ("snli_cad", "test"): {"en": 2000},
    ("snli", "dev"): {"en": 9842},
    ("squad1", "dev"): {"en": 10570},
    ("squad2", "train"): {"en": 4719},
    ("xnli", "dev"): each("ar de en es fr hi ru sw th tr vi zh", 2490),
    ("xnli", "test"): each("ar de en es fr hi ru sw th tr vi zh", 600),
    ("pawsx", "dev"): each("de en es fr ja ko zh", 2000),
    ("pawsx", "test"): each("de en es fr ja ko zh", 500),
    ("panx", "train"): {"en": 20000},
    ("panx", "dev"): {**each("ar de en es fi fr ja ko ru tr vi zh", 2000), "hi": 1000, "sw": 1000},
    ("panx", "test"): {"en": 500, "th": 500},
    ("udpos", "train"): {"en": 21253, "tr": 1000, "vi": 1000},
    ("udpos", "dev"): {
        **each("ar de en es eu fi fr hi ja ko ru tr vi zh", 500),
        "el": 403,
        "mr": 46,
        "ta": 80,
        "te": 131,
    },
    ("udpos", "test"): {**each("de fi hi ru tr vi zh", 400), "en": 300, "th": 300, "yo": 100},
    ("xquad", "test"): dict.fromkeys(TASKS.load("xquad").languages, 1190),
    ("tatoeba", "test"): {
        **dict.fromkeys(TASKS.load("tatoeba").languages, 1000),
        "jv": 205,
        "ka": 746,
        "kk": 575,
        "ml": 687,
        "sw": 390,
        "ta": 307,
        "te": 234,
        "th": 548,
    },
    ("ntrex128_pairs", "train"): each("ar de es fi fr hi ja ko ru sw th tr vi zh", 1997),
    ("ntrex128", "train"): each("ar de en es fi fr hi ja ko ru sw th tr vi zh", 1997),
}
