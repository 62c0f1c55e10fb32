"""Every task file keeps the contract; files and hub rows give the same examples; the published data reads to known counts.

Run as a script, this file writes the golden statistics anew from ../shared/data.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pytest

from trainables.data import available_languages, data_source, find_origin, load_examples
from trainables.examples import Answer, Choice, Dropped, Example, Line, Passage, Question, Sentence, Text
from trainables.metrics import METRICS
from trainables.specs import DataSpec
from trainables.task import TASKS, Kind, Split

SPLITS: tuple[Split, ...] = get_args(Split)
ROOT = Path(__file__).parents[2]
REAL_DATA = ROOT.parent / "shared" / "data"
GOLDEN = ROOT / "tests" / "golden" / "task_statistics.json"


# The contract: one test a task file, from the moment the file exists.


@pytest.mark.parametrize("name", TASKS.names)
def test_task_file_keeps_the_contract(name: str) -> None:
    task = TASKS.load(name)
    document = sys.modules[f"trainables.tasks.{name}"].__doc__ or ""
    assert re.search(r"licence|CC0|CC BY|Apache|BSD|MIT|public domain|free for any purpose", document), "the docstring names no licence"
    assert task.version >= 1
    assert task.kind in get_args(Kind)
    assert bool(task.labels) == (task.kind in ("classification", "tagging")), "labels are for classification and tagging"
    assert len(set(task.labels)) == len(task.labels)
    assert bool(task.num_options) == (task.kind == "multiple_choice"), "options are for multiple choice"
    assert task.languages
    assert len(set(task.languages)) == len(task.languages)
    assert task.metrics
    assert set(task.metrics) <= set(METRICS)
    assert task.hub or task.files or task.generate, "the examples come from nowhere"
    if task.train_on is not None:
        teacher = TASKS.load(task.train_on)
        assert teacher.has_split("train")
        assert (teacher.kind, teacher.labels) == (task.kind, task.labels), "both tasks share a head"
    elif task.has_split("train") and task.kind not in ("mlm", "retrieval"):
        assert task.source_language in task.languages


@pytest.mark.parametrize("name", [name for name in TASKS.names if TASKS.load(name).hub])
def test_hub_source_is_pinned(name: str) -> None:
    task = TASKS.load(name)
    assert task.hub is not None
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", task.hub.path)
    assert re.fullmatch(r"[0-9a-f]{40}|main", task.hub.revision)
    assert task.hub.splits
    assert set(task.hub.codes) <= set(task.languages)
    assert len(task.languages) == 1 or "{language}" in (task.hub.config or "")


@pytest.mark.parametrize("name", [name for name in TASKS.names if TASKS.load(name).files])
def test_file_layouts_are_relative_and_distinct(name: str) -> None:
    task = TASKS.load(name)
    patterns = [pattern for layout in task.files for paths in layout.paths.values() for pattern in paths]
    assert len(set(patterns)) == len(patterns)
    for pattern in patterns:
        pattern.format(language="xx")
        assert not Path(pattern).is_absolute()
    assert all(set(layout.codes) <= set(task.languages) for layout in task.files)


@pytest.mark.parametrize("name", [name for name in TASKS.names if TASKS.load(name).generate])
def test_generated_examples_pass_the_checks(name: str) -> None:
    task = TASKS.load(name)
    splits = [split for split in SPLITS if split in ("dev", "test") or task.source_language in task.languages]
    for split in splits:
        language = task.source_language if split == "train" else task.languages[-1]
        spec = DataSpec(
            task=name,
            task_version=task.version,
            split=split,
            language=language,
            num_examples=None,
            source=data_source(name, split, language, None),
        )
        assert load_examples(spec, None).examples == load_examples(spec, None).examples


# One small file a layout, in the format it is published in, and the hub's rows of the same examples.


class Case(NamedTuple):
    task: str
    split: Split
    language: str
    files: dict[str, str]
    """Path below the data folder to content."""
    expected: list[Example | Dropped]
    hub_rows: list[dict[str, Any]] | None = None
    """None where the hub's data set differs from this layout by design."""


def jsonl(*rows: Mapping[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


MNLI_JSON = {
    "annotator_labels": ["neutral"],
    "genre": "slate",
    "promptID": "63735",
    "sentence1_parse": "(ROOT)",
    "sentence2_parse": "(ROOT)",
}
XNLI_JSON = {"annotator_labels": ["neutral"], "genre": "facetoface", "match": "True", "promptID": "1"}
NO_MAJORITY = "no label that most annotators chose"
SQUAD_CONTEXT = "Architecturally, the school has a Catholic character."
SQUAD_ANSWER = {"text": "a Catholic character", "answer_start": 32}
UNANSWERED = {"id": "5a8d", "question": "What else?", "answers": [], "is_impossible": True, "plausible_answers": [SQUAD_ANSWER]}


def squad_json(context: str, *questions: Mapping[str, Any]) -> str:
    return json.dumps({"version": "1.1", "data": [{"title": "t", "paragraphs": [{"context": context, "qas": list(questions)}]}]})


def hub_squad(example_id: str, question: str, context: str, *answers: Mapping[str, Any]) -> dict[str, Any]:
    columns = {key: [answer[key] for answer in answers] for key in ("text", "answer_start")}
    return {"id": example_id, "title": "t", "context": context, "question": question, "answers": columns}


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
        [
            {"premise": "Mama, ich bin da.", "hypothesis": "Er rief an.", "label": 1},
            {"premise": "Mama.", "hypothesis": "Er schwieg.", "label": 2},
        ],
    ),
    Case(
        "xnli",
        "dev",
        "de",
        {"xnli/dev-de.tsv": "Mama, ich bin da.\tEr rief an.\tneutral\nMama.\tEr schwieg.\tcontradictory\n"},
        [Text("0", "Mama, ich bin da.", "Er rief an.", "neutral"), Text("1", "Mama.", "Er schwieg.", "contradiction")],
        [
            {"premise": "Mama, ich bin da.", "hypothesis": "Er rief an.", "label": 1},
            {"premise": "Mama.", "hypothesis": "Er schwieg.", "label": 2},
        ],
    ),
    Case("xnli", "test", "de", {"xnli/test-de.tsv": "Nun gut.\tNein.\n"}, [Text("0", "Nun gut.", "Nein.", None)]),
    Case(
        "pawsx",
        "dev",
        "fr",
        {"pawsx/x-final/fr/dev_2k.tsv": 'id\tsentence1\tsentence2\tlabel\n4\t"A" et B\tB et A\t1\n6\tNS\tC\t0\n'},
        [Text("4", '"A" et B', "B et A", "1"), Text("6", "NS", "C", "0")],
        [{"id": 4, "sentence1": '"A" et B', "sentence2": "B et A", "label": 1}, {"id": 6, "sentence1": "NS", "sentence2": "C", "label": 0}],
    ),
    Case(
        "pawsx",
        "dev",
        "fr",
        {"pawsx/dev-fr.tsv": '"""A"" et B"\tB et A\t1\r\nNS\tC\t0\r\n'},
        [Text("0", '"A" et B', "B et A", "1"), Text("1", "NS", "C", "0")],
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
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.task}-{next(iter(case.files))}")
def test_published_format(case: Case, tmp_path: Path) -> None:
    for path, content in case.files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content.encode())
    assert list(find_origin(case.task, TASKS.load(case.task), case.split, case.language, tmp_path).entries()) == case.expected


@pytest.mark.parametrize("case", [case for case in CASES if case.hub_rows], ids=lambda case: f"{case.task}-{next(iter(case.files))}")
def test_hub_rows_give_the_same_examples_as_files(case: Case) -> None:
    assert list(hub_entries(case.task, case.language, case.hub_rows or [])) == case.expected


def hub_entries(name: str, language: str, rows: list[dict[str, Any]]) -> Iterator[Example | Dropped]:
    hub = TASKS.load(name).hub
    assert hub is not None
    for number, row in enumerate(rows):
        entry = hub.read(row, language, number)
        yield from entry if isinstance(entry, list) else [entry]


def test_every_task_that_reads_has_a_case() -> None:
    assert {case.task for case in CASES} == {name for name in TASKS.names if TASKS.load(name).files or TASKS.load(name).hub}


def test_an_answer_key_that_is_no_choice_is_refused(tmp_path: Path) -> None:
    question = {"question_concept": "c", "choices": [{"label": "A", "text": "suburb"}], "stem": "Where?"}
    path = tmp_path / "commonsenseqa" / "dev_rand_split.jsonl"
    path.parent.mkdir()
    path.write_text(jsonl({"answerKey": "F", "id": "1", "question": question}))
    with pytest.raises(ValueError, match=r"dev_rand_split.jsonl:1: expected answerKey to be one of A, found 'F'$"):
        list(find_origin("commonsenseqa", TASKS.load("commonsenseqa"), "dev", "en", tmp_path).entries())


def test_the_task_in_the_documentation_works(tmp_path: Path) -> None:
    (code, *_) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "add_a_task.md").read_text(), flags=re.DOTALL)
    assert code.count("\n") <= 60, "the page promises a file of up to 60 lines"
    module: dict[str, Any] = {}
    exec(code, module)
    task = module["TASK"]
    for path, content in {"train": "0\tA.\tB.\tnot_entailment\n", "test": "0\tA.\tB.\n"}.items():
        (tmp_path / "rte" / "RTE").mkdir(parents=True, exist_ok=True)
        header = "index\tsentence1\tsentence2" + ("\tlabel\n" if path == "train" else "\n")
        (tmp_path / "rte" / "RTE" / f"{path}.tsv").write_text(header + content)
    row = {"idx": 0, "sentence1": "A.", "sentence2": "B."}
    cases: list[tuple[Split, str | None, int]] = [("train", "not_entailment", 1), ("test", None, -1)]
    for split, label, integer in cases:
        assert list(find_origin("rte", task, split, "en", tmp_path).entries()) == [Text("0", "A.", "B.", label)]
        assert task.hub.read({**row, "label": integer}, "en", 0) == Text("0", "A.", "B.", label)


# The published data in ../shared/data. What its README and the PROVENANCE.md files count:


def each(languages: str, count: int) -> dict[str, int]:
    return dict.fromkeys(languages.split(), count)


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
    ("udpos", "train"): {"en": 21253},
    ("udpos", "dev"): {
        **each("ar de en es eu fi fr hi ja ko ru tr vi zh", 500),
        "el": 403,
        "mr": 46,
        "ta": 80,
        "te": 131,
    },
    ("udpos", "test"): {"en": 300, "th": 300, "yo": 100},
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

real_data = pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"the published files are not at {REAL_DATA}")


def read_real(name: str, split: Split, language: str) -> list[Example]:
    source = data_source(name, split, language, REAL_DATA)
    spec = DataSpec(task=name, task_version=TASKS.load(name).version, split=split, language=language, num_examples=None, source=source)
    return load_examples(spec, REAL_DATA, labelled=False).examples


def real_splits() -> Iterator[tuple[str, Split, str]]:
    for name in TASKS.names:
        if TASKS.load(name).files:
            yield from ((name, split, language) for split in SPLITS for language in available_languages(name, split, REAL_DATA))


def statistics(examples: list[Example]) -> dict[str, int]:
    """What the examples hold, counted: labels, tags, answers, and characters as a check on every text."""
    counts: Counter[str] = Counter()
    for example in examples:
        match example:
            case Text(text=text, pair=pair, label=label):
                counts.update([f"label {label}"])
                counts["characters"] += len(text) + len(pair or "")
            case Sentence(words=words, tags=tags):
                counts.update(f"tag {tag}" for tag in tags or ("none",))
                counts["words"] += len(words)
                counts["characters"] += sum(map(len, words))
            case Question(question=question, context=context, answers=answers):
                counts[f"questions with {len(answers)} answers"] += 1
                counts["characters"] += len(question) + len(context) + sum(len(answer.text) for answer in answers)
            case Choice(prompt=prompt, options=options, label=index):
                counts[f"label {index} of {len(options)}"] += 1
                counts["characters"] += len(prompt) + sum(map(len, options))
            case Passage(text=text, side=side):
                counts[side] += 1
                counts["characters"] += len(text)
            case Line(text=text):
                counts["characters"] += len(text)
    return dict(sorted({"examples": len(examples), **counts}.items()))


@pytest.mark.realdata
@real_data
def test_every_real_split_is_counted() -> None:
    present = {(name, split, language) for name, split, language in real_splits()}
    assert present == {(name, split, language) for (name, split), counts in COUNTS.items() for language in counts}


@pytest.mark.realdata
@real_data
@pytest.mark.parametrize(("name", "split"), COUNTS, ids=lambda value: str(value))
def test_real_split_has_the_documented_counts_and_golden_statistics(name: str, split: Split) -> None:
    golden = json.loads(GOLDEN.read_text())
    for language, count in COUNTS[name, split].items():
        examples = read_real(name, split, language)
        assert sum(not (isinstance(example, Passage) and example.side == "candidate") for example in examples) == count
        assert statistics(examples) == golden[f"{name}/{split}/{language}"]


@pytest.mark.realdata
@real_data
def test_unanswerable_questions_of_squad2() -> None:
    questions = [example for example in read_real("squad2", "train", "en") if isinstance(example, Question)]
    assert sum(not question.answers for question in questions) == 348


@pytest.mark.realdata
@real_data
@pytest.mark.parametrize(
    ("name", "split"), [("xnli", "test"), ("pawsx", "test"), ("panx", "test"), ("udpos", "test"), ("commonsenseqa", "test")]
)
def test_unlabelled_test_splits_are_refused(name: str, split: Split) -> None:
    source = data_source(name, split, "en", REAL_DATA)
    spec = DataSpec(task=name, task_version=1, split=split, language="en", num_examples=None, source=source)
    with pytest.raises(ValueError, match="unlabelled"):
        load_examples(spec, REAL_DATA)


@pytest.mark.realdata
@real_data
@pytest.mark.parametrize("language", TASKS.load("xquad").languages)
def test_xquad_as_the_hub_strips_it_is_found_again(language: str) -> None:
    """The hub's script stripped contexts, questions and answers, and kept the starts."""
    rows = []
    for article in json.loads((REAL_DATA / "xquad" / f"xquad.{language}.json").read_text("utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                answers = [{"text": answer["text"].strip(), "answer_start": answer["answer_start"]} for answer in question["answers"]]
                rows.append(hub_squad(question["id"], question["question"].strip(), paragraph["context"].strip(), *answers))
    assert list(hub_entries("xquad", language, rows)) == read_real("xquad", "test", language)


@pytest.mark.realdata
@real_data
def test_xnli_rows_are_parallel() -> None:
    labels = [[example.label for example in read_real("xnli", "dev", language) if isinstance(example, Text)] for language in ("en", "sw")]
    assert labels[0] == labels[1]


if __name__ == "__main__":
    lines = [f"{json.dumps('/'.join(key))}: {json.dumps(statistics(read_real(*key)))}" for key in real_splits()]
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")
