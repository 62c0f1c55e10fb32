"""Cases of training data translated by machine."""

from tests.trainables.task_cases.case import Case, jsonl, squad_json
from trainables.examples import Answer, Choice, Dropped, Question, Text
from trainables.task import Split

LOST = "its answer is not where the translation says"
CONTEXT = " Die Schule hat einen katholischen Charakter."
FOUND = {"id": "5733", "question": "Was?", "answers": [{"text": "katholischen", "answer_start": 22}]}
SHIFTED = {"id": "5734", "question": "Wo?", "answers": [{"text": "katholischen", "answer_start": 20}]}
BEYOND = {"id": "5735", "question": "Wer?", "answers": [{"text": "Maria", "answer_start": -1}]}
EMPTY = {"id": "5736", "question": "Wie?", "answers": [{"text": "", "answer_start": 0}]}
NONE = {"id": "5737", "question": "Wann?", "answers": []}
QUESTION = Question("5733", "Was?", "Die Schule hat einen katholischen Charakter.", (Answer("katholischen", 21),))

CASES = [
    Case(
        "mnli_translated",
        "train",
        "de",
        {
            "xnli/XNLI-MT-1.0/multinli/multinli.train.de.tsv": (
                'premise\thypo\tlabel\nSie " gehen " .\tSie bleiben .\tcontradictory\nA .\tB .\tneutral\n'
            )
        },
        [Text("0", 'Sie " gehen " .', "Sie bleiben .", "contradiction"), Text("1", "A .", "B .", "neutral")],
        [
            {"premise": 'Sie " gehen " .', "hypothesis": "Sie bleiben .", "label": 2},
            {"premise": "A .", "hypothesis": "B .", "label": 1},
        ],
    ),
    Case(
        "mnli_translated",
        "train",
        "sw",
        {"xtreme_translations/XNLI/translate-train/en-sw-translated.tsv": 'They "go".\tThey stay.\tWanaenda.\t"Wanakaa.\tcontradictory\n'},
        [Text("0", "Wanaenda.", '"Wanakaa.', "contradiction")],
    ),
    Case(
        "squad1_translated",
        "train",
        "de",
        {
            "xtreme_translations/SQuAD/translate-train/squad.translate.train.en-de.json": squad_json(
                CONTEXT, FOUND, SHIFTED, BEYOND, EMPTY, NONE
            )
        },
        [QUESTION, *(Dropped(lost, LOST) for lost in ("5734", "5735", "5736", "5737"))],
    ),
    Case(
        "tydiqa_translated",
        "train",
        "sw",
        {"xtreme_translations/TyDiQA-GoldP/translate-train/tydiqa.translate.train.en-sw.json": squad_json(CONTEXT, SHIFTED, FOUND)},
        [Dropped("0", LOST), QUESTION._replace(id="1")],
    ),
    Case(
        "pawsx",
        "train",
        "ko",
        {"pawsx/x-final/ko/translated_train.tsv": 'id\tsentence1\tsentence2\tlabel\n1\t"A\tB\t1\n2\t\tC\t0\n'},
        [Text("1", '"A', "B", "1"), Dropped("2", "a sentence is blank")],
    ),
    Case(
        "qqp_translated",
        "train",
        "ru",
        {"qqp_translated/train.ru.tsv": "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n7\t1\t2\tКто?\tКто это?\t1\n"},
        [Text("0", "Кто?", "Кто это?", "duplicate")],
    ),
    Case(
        "hellaswag_translated",
        "train",
        "de",
        {"hellaswag_translated/hellaswag_train.de.jsonl": jsonl({"ctx": "Er backt. Er", "endings": ["a", "b", "c", "d"], "label": 3})},
        [Choice("0", "Er backt. Er", ("a", "b", "c", "d"), 3)],
    ),
]

COUNTS: dict[tuple[str, Split], dict[str, int]] = {}
