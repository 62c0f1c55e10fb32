"""Cases of MLQA, TyDiQA, XCOPA, part-of-speech treebanks, and the languages that XTREME-R adds."""

from tests.trainables.task_cases.case import Case, each, hub_squad, jsonl, squad_json
from trainables.examples import Answer, Choice, Dropped, Passage, Question, Sentence
from trainables.task import Split
from trainables.tasks.mlqa import LANGUAGES

GERMAN_CONTEXT = "Der Kaiser war antibritisch."
GERMAN_ANSWER = {"text": "antibritisch", "answer_start": 15}
GERMAN_QUESTION = Question("b6fc", "What was he?", GERMAN_CONTEXT, (Answer("antibritisch", 15),))

FINNISH_CONTEXT = "  Charles Fort syntyi 1874."
FINNISH_JSON = {"id": "finnish--76-0", "question": "Milloin?", "answers": [{"text": " 1874", "answer_start": 21}]}
FINNISH_QUESTION = Question("finnish--76-0", "Milloin?", "Charles Fort syntyi 1874.", (Answer("1874", 20),))
FINNISH_ROW = hub_squad("finnish--76-0", "Milloin?", "Charles Fort syntyi 1874.", {"text": "1874", "answer_start": 21})
RUSSIAN_JSON = {"id": "russian-5-1", "question": "Кто?", "answers": [{"text": "Charles", "answer_start": 2}]}
RUSSIAN_ROW = hub_squad("russian-5-1", "Кто?", "Charles Fort syntyi 1874.", {"text": "Charles", "answer_start": 2})
WITHHELD = [{"text": "", "answer_start": 0}]

CAUSE = {"premise": "Mees keeras kraani lahti.", "choice1": "Tualett täitus.", "choice2": "Voolas vett. ", "label": 1, "idx": 0}

CONLLU = """# sent_id = dev-s1
# text = Zum Haus #1
1-2\tZum\t_\t_\t_\t_\t_\t_\t_\t_
1\tZu\tzu\tADP\tAPPR\t_\t3\tcase\t_\t_
2\tdem\tder\tDET\tART\t_\t3\tdet\t_\t_
3\tHa us\u200c\tHaus\tNOUN\tNN\t_\t0\troot\t_\t_
3.1\tist\tsein\tAUX\t_\t_\t_\t_\t_\t_

1\t_\t_\tNOUN\t_\t_\t0\troot\t_\t_
2\t_\t_\tVERB\t_\t_\t1\tdep\t_\t_

1\tJa\tja\tINTJ\t_\t_\t0\troot\t_\t_
"""

CASES = [
    Case(
        "mlqa",
        "dev",
        "de",
        {
            "mlqa/MLQA_V1/dev/dev-context-de-question-de.json": squad_json(
                GERMAN_CONTEXT, {"id": "b6fc", "question": "What was he?", "answers": [GERMAN_ANSWER]}
            )
        },
        [GERMAN_QUESTION],
        [hub_squad("b6fc", "What was he?", GERMAN_CONTEXT, GERMAN_ANSWER)],
    ),
    Case(
        "mlqa_pairs",
        "test",
        "de-en",
        {
            "mlqa/MLQA_V1/test/test-context-de-question-en.json": squad_json(
                GERMAN_CONTEXT, {"id": "b6fc", "question": "What was he?", "answers": [GERMAN_ANSWER]}
            )
        },
        [GERMAN_QUESTION],
        [hub_squad("b6fc", "What was he?", GERMAN_CONTEXT, GERMAN_ANSWER)],
    ),
    Case(
        "tydiqa",
        "train",
        "fi",
        {"tydiqa/tydiqa-goldp-v1.1-train.json": squad_json(FINNISH_CONTEXT, RUSSIAN_JSON, FINNISH_JSON)},
        [FINNISH_QUESTION],
        [RUSSIAN_ROW, FINNISH_ROW],
    ),
    Case(
        "tydiqa",
        "test",
        "fi",
        {"tydiqa/tydiqa-goldp-v1.1-dev/tydiqa-goldp-dev-finnish.json": squad_json(FINNISH_CONTEXT, FINNISH_JSON)},
        [FINNISH_QUESTION],
        [FINNISH_ROW],
    ),
    Case(
        "tydiqa",
        "train",
        "fi",
        {
            "tydiqa/tydiqa-goldp-v1.1-train/tydiqa.goldp.fi.train.json": squad_json(
                FINNISH_CONTEXT, {**FINNISH_JSON, "id": "0"}, {**RUSSIAN_JSON, "id": "0"}
            )
        },
        [
            FINNISH_QUESTION._replace(id="0"),
            Question("1", "Кто?", "Charles Fort syntyi 1874.", (Answer("Charles", 0),)),
        ],
    ),
    Case(
        "tydiqa",
        "dev",
        "fi",
        {"tydiqa/tydiqa-goldp-v1.1-dev/tydiqa.goldp.fi.dev.json": squad_json(FINNISH_CONTEXT, {**FINNISH_JSON, "answers": WITHHELD})},
        [FINNISH_QUESTION._replace(answers=())],
    ),
    *(
        Case(
            "xcopa",
            "dev",
            "et",
            {path: jsonl({**CAUSE, "question": "effect", "changed": False}, {**CAUSE, "question": "cause", "idx": 1, "changed": True})},
            [
                Choice("0", "Mees keeras kraani lahti. What was the effect?", ("Tualett täitus.", "Voolas vett."), 1),
                Choice("1", "Mees keeras kraani lahti. What was the cause?", ("Tualett täitus.", "Voolas vett."), 1),
            ],
            [{**CAUSE, "question": "effect", "changed": False}, {**CAUSE, "question": "cause", "idx": 1, "changed": True}],
        )
        for path in ("xcopa/data/et/val.et.jsonl", "xcopa/val.et.jsonl")
    ),
    Case(
        "udpos",
        "test",
        "de",
        {"ud_conllu/UD_German-GSD/de_gsd-ud-test.conllu": CONLLU},
        [
            Sentence("0", ("Zu", "dem", "Haus"), ("ADP", "DET", "NOUN")),
            Dropped("1", "its words are withheld"),
            Sentence("2", ("Ja",), ("INTJ",)),
        ],
    ),
    Case(
        "xquad",
        "test",
        "ro",
        {
            "xquad/xquad.ro.json": squad_json(
                "Panthers", {"id": "56be", "question": "Cine?", "answers": [{"text": "Panthers", "answer_start": 0}]}
            )
        },
        [Question("56be", "Cine?", "Panthers", (Answer("Panthers", 0),))],
        [hub_squad("56be", "Cine?", "Panthers", {"text": "Panthers", "answer_start": 0})],
    ),
    Case(
        "tatoeba",
        "test",
        "ro",
        {"tatoeba/v1/tatoeba.ron-eng.ron": "Da.\n", "tatoeba/v1/tatoeba.ron-eng.eng": "Yes.\n"},
        [Passage("0", "Yes.", "query", ("0",)), Passage("0", "Da.", "candidate", ())],
        [{"sentence1": "Da.", "sentence2": "Yes.", "lang": "ron-eng"}],
    ),
]

MLQA_DEV = {"ar": 517, "de": 512, "en": 1148, "es": 500, "hi": 507, "vi": 511, "zh": 504}

COUNTS: dict[tuple[str, Split], dict[str, int]] = {
    ("mlqa", "dev"): {language: MLQA_DEV[language] for language in LANGUAGES},
    ("mlqa_pairs", "dev"): {"de-en": 344, "en-de": 329},
    ("tydiqa", "train"): {"en": 3696, "ko": 1625, "sw": 2755},
    ("tydiqa", "dev"): each("en fi sw", 150),
    ("tydiqa", "test"): each("en fi sw", 150),
    ("xcopa", "dev"): each("et ht id it qu sw ta th tr vi zh", 100),
    ("xcopa", "test"): each("et ht id it qu sw ta th tr vi zh", 500),
}
