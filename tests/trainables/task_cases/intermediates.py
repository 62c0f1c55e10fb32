"""Cases of the intermediate tasks that are neither MNLI, SQuAD nor CommonsenseQA."""

from tests.trainables.task_cases.case import Case, jsonl
from trainables.examples import Choice, Dropped, Text
from trainables.task import Split

ANLI_JSON = {"model_label": "e", "emturk": False, "genre": "wikipedia", "reason": "", "tag": "r1_train"}
GLUE_PAIRS = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
COSMOS_COLUMNS = "id,context,question,answer0,answer1,answer2,answer3,label\n"
COPA_CAUSE = {"premise": "I froze.", "choice1": "It was cold.", "choice2": "I ran.", "question": "cause", "label": 0, "idx": 0}
COPA_EFFECT = {"premise": "I ate.", "choice1": "I was hungry.", "choice2": "I was full.", "question": "effect", "idx": 1}
COPA_CHOICES = [
    Choice("0", "I froze. What was the cause?", ("It was cold.", "I ran."), 0),
    Choice("1", "I ate. What was the effect?", ("I was hungry.", "I was full."), None),
]

CASES = [
    Case(
        "anli",
        "dev",
        "en",
        {
            "anli/anli_v1.0/R1/dev.jsonl": jsonl({"uid": "a1", "context": "A.", "hypothesis": "B.", "label": "e", **ANLI_JSON}),
            "anli/anli_v1.0/R2/dev.jsonl": jsonl({"uid": "b1", "context": "C.", "hypothesis": "D.", "label": "n", **ANLI_JSON}),
            "anli/anli_v1.0/R3/dev.jsonl": jsonl({"uid": "c1", "context": "E.", "hypothesis": "F.", "label": "c", **ANLI_JSON}),
        },
        [Text("a1", "A.", "B.", "entailment"), Text("b1", "C.", "D.", "neutral"), Text("c1", "E.", "F.", "contradiction")],
        [
            {"uid": "a1", "premise": "A.", "hypothesis": "B.", "label": 0, "reason": ""},
            {"uid": "b1", "premise": "C.", "hypothesis": "D.", "label": 1, "reason": ""},
            {"uid": "c1", "premise": "E.", "hypothesis": "F.", "label": 2, "reason": ""},
        ],
    ),
    Case(
        "anli",
        "test",
        "en",
        {"anli/test_r1_r2_r3.unified.jsonl": jsonl({"premise": "A.", "hypothesis": "B.", "label": "neutral", "tag": "r1_test"})},
        [Text("0", "A.", "B.", "neutral")],
    ),
    Case(
        "qqp",
        "train",
        "en",
        {"qqp/QQP/train.tsv": GLUE_PAIRS + '7\t1\t2\tWhy?\tWhy "not"?\t0\n9\t3\t4\tHow?\tHow so?\t1\n8\t5\t6\tWho?\t\t0\n'},
        [
            Text("0", "Why?", 'Why "not"?', "not_duplicate"),
            Text("1", "How?", "How so?", "duplicate"),
            Dropped("2", "a question is blank"),
        ],
        [
            {"question1": "Why?", "question2": 'Why "not"?', "label": 0, "idx": 0},
            {"question1": "How?", "question2": "How so?", "label": 1, "idx": 1},
            {"question1": "Who?", "question2": "", "label": 0, "idx": 2},
        ],
    ),
    Case(
        "hellaswag",
        "dev",
        "en",
        {
            "hellaswag/hellaswag_val.jsonl": jsonl(
                {
                    "ind": 24,
                    "activity_label": "Roof shingle removal",
                    "ctx": "A man sits on a roof. he",
                    "endings": ["a", "b", "c", "d"],
                    "label": 3,
                },
                {"ind": 24, "activity_label": "Baking", "ctx": "She bakes.", "endings": ["e", "f", "g", "h"]},
            )
        },
        [Choice("0", "A man sits on a roof. he", ("a", "b", "c", "d"), 3), Choice("1", "She bakes.", ("e", "f", "g", "h"), None)],
        [
            {"ind": 24, "ctx": "A man sits on a roof. he", "endings": ["a", "b", "c", "d"], "label": "3"},
            {"ind": 24, "ctx": "She bakes.", "endings": ["e", "f", "g", "h"], "label": ""},
        ],
    ),
    Case(
        "cosmosqa",
        "dev",
        "en",
        {"cosmosqa/valid.csv": COSMOS_COLUMNS + 'q1,"It rained , ""hard""\nall day .",Why ?,a,b,c,None of the above choices .,2\n'},
        [Choice("q1", 'It rained , "hard"\nall day . Why ?', ("a", "b", "c", "None of the above choices ."), 2)],
        [
            {
                "id": "q1",
                "context": 'It rained , "hard"\nall day .',
                "question": "Why ?",
                "answer0": "a",
                "answer1": "b",
                "answer2": "c",
                "answer3": "None of the above choices .",
                "label": 2,
            }
        ],
    ),
    Case(
        "cosmosqa",
        "test",
        "en",
        {
            "cosmosqa/test.jsonl": jsonl(
                {"id": "q2", "context": "It rained .", "question": "Why ?", "answer0": "a", "answer1": "b", "answer2": "c", "answer3": "d"}
            )
        },
        [Choice("q2", "It rained . Why ?", ("a", "b", "c", "d"), None)],
    ),
    Case(
        "socialiqa",
        "dev",
        "en",
        {
            "socialiqa/socialIQa_v1.4_dev.jsonl": jsonl(
                {"context": "Jo left.", "question": "Why?", "answerA": "a", "answerB": "b ", "answerC": "c", "correct": "B"}
            )
        },
        [Choice("0", "Jo left. Why?", ("a", "b", "c"), 1)],
        [{"context": "Jo left.", "question": "Why?", "answerA": "a", "answerB": "b ", "answerC": "c", "label": "2"}],
    ),
    Case(
        "copa",
        "dev",
        "en",
        {"copa/COPA/val.jsonl": jsonl(COPA_CAUSE, COPA_EFFECT)},
        COPA_CHOICES,
        [COPA_CAUSE, {**COPA_EFFECT, "label": -1}],
    ),
    Case("copa", "train", "en", {"copa/train-en.jsonl": jsonl(COPA_CAUSE)}, COPA_CHOICES[:1]),
    Case("copa", "test", "en", {"copa/test-en.jsonl": jsonl(COPA_CAUSE)}, [COPA_CHOICES[0]._replace(label=None)]),
    Case(
        "scitail",
        "dev",
        "en",
        {"scitail/SciTailV1.1/tsv_format/scitail_1.0_dev.tsv": 'A "cell" grows.\tCells grow.\tentails\nIt rains.\tIt pours.\tneutral\n'},
        [Text("0", 'A "cell" grows.', "Cells grow.", "entailment"), Text("1", "It rains.", "It pours.", "not_entailment")],
        [
            {"premise": 'A "cell" grows.', "hypothesis": "Cells grow.", "label": "entails"},
            {"premise": "It rains.", "hypothesis": "It pours.", "label": "neutral"},
        ],
    ),
    Case(
        "scitail",
        "test",
        "en",
        {"scitail/test.unified.jsonl": jsonl({"premise": "A.", "hypothesis": "B.", "label": "not_entailment", "tag": ""})},
        [Text("0", "A.", "B.", "not_entailment")],
    ),
    Case(
        "rte",
        "dev",
        "en",
        {"rte/RTE/dev.tsv": "index\tsentence1\tsentence2\tlabel\n0\tA.\tB.\tnot_entailment\n"},
        [Text("0", "A.", "B.", "not_entailment")],
        [{"idx": 0, "sentence1": "A.", "sentence2": "B.", "label": 1}],
    ),
]

COUNTS: dict[tuple[str, Split], dict[str, int]] = {
    ("anli", "test"): {"en": 3200},
    ("hellaswag", "dev"): {"en": 1000},
    ("cosmosqa", "dev"): {"en": 2985},
    ("socialiqa", "dev"): {"en": 1954},
    ("socialiqa", "test"): {"en": 2224},
    ("copa", "train"): {"en": 400},
    ("copa", "dev"): {"en": 100},
    ("copa", "test"): {"en": 500},
    ("scitail", "test"): {"en": 2126},
    ("rte", "train"): {"en": 2490},
    ("rte", "dev"): {"en": 277},
    ("rte", "test"): {"en": 3000},
}
