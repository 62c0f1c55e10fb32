"""Every task file keeps the contract; files and hub rows give the same examples; the published data reads to known counts.

Run as a script, this file writes the golden statistics anew from ../shared/data.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from tests.trainables.task_cases import CASES, COUNTS
from tests.trainables.task_cases.case import Case, hub_squad, jsonl, squad_json
from tests.trainables.task_cases.retrieval import ARTICLE, ENTITIES
from trainables.data import load_examples
from trainables.examples import Dropped, Example, Passage, Question, Text
from trainables.metrics import METRICS
from trainables.origins import available_languages, data_source, find_origin, row_entries
from trainables.places import forget_row, last_row
from trainables.specs import DataSpec
from trainables.statistics import read_split, real_splits, statistics_of
from trainables.task import METRICS_OF, TASKS, Kind, Split, Task

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
    has_labels = bool(task.labels) != task.has_file_labels
    assert has_labels == (task.kind in ("classification", "tagging")), "labels are for classification and tagging, here or in the files"
    assert all(bool(layout.label_paths) == (layout.read_labels is not None) == task.has_file_labels for layout in task.files)
    assert len(set(task.labels)) == len(task.labels)
    assert bool(task.num_options) == (task.kind == "multiple_choice"), "options are for multiple choice"
    assert task.languages
    assert len(set(task.languages)) == len(task.languages)
    assert task.metrics
    assert set(task.metrics) <= set(METRICS)
    assert task.hub or task.files or task.generate or task.parts, "the examples come from nowhere"
    if task.train_on is not None:
        teacher = TASKS.load(task.train_on)
        assert teacher.has_split("train")
        assert (teacher.kind, teacher.labels) == (task.kind, task.labels), "both tasks share a head"
    elif task.translated_from is not None:
        original = TASKS.load(task.translated_from)
        assert (original.kind, original.labels, original.num_options) == (task.kind, task.labels, task.num_options), "both share a head"
        assert original.has_split("dev"), "the original's dev split selects"
        assert original.source_language == task.source_language
        assert task.source_language not in task.languages
        assert [split for split in SPLITS if task.has_split(split)] == ["train"]
    elif task.has_split("train") and task.kind not in ("mlm", "retrieval"):
        assert task.source_language in task.languages


@pytest.mark.parametrize("name", [name for name in TASKS.names if TASKS.load(name).hub])
def test_hub_source_is_pinned(name: str) -> None:
    task = TASKS.load(name)
    assert task.hub is not None
    for hub in (task.hub, *task.more_hubs):
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", hub.path)
        assert re.fullmatch(r"[0-9a-f]{40}|main|refs/convert/parquet", hub.revision)
        assert hub.splits
        assert set(hub.codes) <= set(task.languages)
        assert set(hub.languages) <= set(task.languages)
        assert len(task.languages) == 1 or "{language}" in (hub.config or "") or hub.belongs is not None


@pytest.mark.parametrize("name", [name for name in TASKS.names if TASKS.load(name).files])
def test_file_layouts_are_relative_and_distinct(name: str) -> None:
    task = TASKS.load(name)
    patterns = [(split, pattern) for layout in task.files for split, paths in layout.paths.items() for pattern in paths]
    assert len(set(patterns)) == len(patterns)
    for _, pattern in patterns:
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


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.task}-{next(iter(case.files))}")
def test_published_format(case: Case, tmp_path: Path) -> None:
    for path, content in case.files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content.encode())
    assert list(find_origin(case.task, TASKS.load(case.task), case.split, case.language, tmp_path).entries()) == case.expected


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.task}-{next(iter(case.files))}")
def test_an_error_about_an_entry_can_name_its_row(case: Case, tmp_path: Path) -> None:
    """Readers do not read ahead of what they yield: each entry has the row that was read last, in a file of the case."""
    for path, content in case.files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content.encode())
    forget_row()
    rows = [last_row() for _ in find_origin(case.task, TASKS.load(case.task), case.split, case.language, tmp_path).entries()]
    if case.task in ("lareqa", "text"):
        assert set(rows) == {None}, "one gathers its candidates first, the other has nothing to be refused"
    else:
        assert all(row is not None and row.startswith(str(tmp_path)) for row in rows)
        assert TASKS.load(case.task).kind == "retrieval" or len(set(rows)) == len(rows)


@pytest.mark.parametrize("case", [case for case in CASES if case.hub_rows], ids=lambda case: f"{case.task}-{next(iter(case.files))}")
def test_hub_rows_give_the_same_examples_as_files(case: Case) -> None:
    assert list(hub_entries(case.task, case.language, case.hub_rows or [])) == case.expected


def hub_entries(name: str, language: str, rows: list[dict[str, Any]]) -> Iterator[Example | Dropped]:
    hub = TASKS.load(name).hub_of(language)
    assert hub is not None
    yield from row_entries(hub, language, rows)


def test_every_task_that_reads_has_a_case() -> None:
    assert {case.task for case in CASES} == {name for name in TASKS.names if TASKS.load(name).files or TASKS.load(name).hub}


NLI_HEADER = "premise\thypo\tlabel\n"
ENDINGS = {"ind": 0, "ctx": "A man", "endings": ["runs.", "sits.", "eats.", "swims."], "label": 1}
SQUAD = {"id": "q", "question": "?", "answers": [{"text": "Oslo", "answer_start": 9}]}


@pytest.mark.parametrize(
    ("name", "split", "language", "path", "content", "message"),
    [
        (
            "xnli",
            "dev",
            "de",
            "xnli/dev-de.tsv",
            "a\tb\tneutral\nc\td\tmaybe\n",
            ":2: example '1': label 'maybe' is not one of entailment,",
        ),
        (
            "rte",
            "dev",
            "en",
            "rte/RTE/dev.tsv",
            "index\tsentence1\tsentence2\tlabel\n7\ta\tb\tentailment\n7\tc\td\tentailment\n",
            ":3: the id '7' is there twice",
        ),
        (
            "panx",
            "dev",
            "de",
            "panx/dev-de.tsv",
            "Rom\tB-LOC\n\nIn\tO\nOslo\tLOC\n",
            ":3: example '1': tag 'LOC' of word 2 is not one of O, ",
        ),
        (
            "udpos",
            "dev",
            "de",
            "ud_conllu/UD_German-GSD/de_gsd-ud-dev.conllu",
            "# one\n# two\n1\tja\t_\tJA" + "\t_" * 6 + "\n\n",
            ":3: example '0': tag 'JA' of word 1",
        ),
        (
            "squad1",
            "dev",
            "en",
            "squad_v1.1/dev-v1.1.json",
            squad_json("Rome and Oslo", SQUAD, SQUAD),
            ": data[0].paragraphs[0].qas[1]: the id 'q' is there twice",
        ),
        (
            "squad1",
            "dev",
            "en",
            "squad_v1.1/dev-v1.1.json",
            squad_json("Rome", SQUAD | {"answers": []}),
            ": data[0].paragraphs[0].qas[0]: example 'q': it has no answer",
        ),
        (
            "hellaswag",
            "dev",
            "en",
            "hellaswag/hellaswag_val.jsonl",
            jsonl(ENDINGS, ENDINGS | {"endings": ["a", "b", "c"]}),
            ":2: example '1': there are 3 options, expected 4",
        ),
        (
            "hellaswag",
            "dev",
            "en",
            "hellaswag/hellaswag_val.jsonl",
            jsonl(ENDINGS | {"label": 4}),
            ":1: example '0': label 4 is not the index of one of 4 options",
        ),
        (
            *("hellaswag_translated", "train", "de", "hellaswag_translated/hellaswag_train.de.jsonl"),
            jsonl(ENDINGS, ENDINGS | {"endings": ["a", "b", 3, "d"]}),
            ":2: endings: expected a string, found 3",
        ),
        (
            *("mnli_translated", "train", "de", "xnli/XNLI-MT-1.0/multinli/multinli.train.de.tsv"),
            NLI_HEADER + "a\tb\tneutral\n \tb\tneutral\n",
            ":3: expected two sentences, found a blank premise",
        ),
        (
            *("mnli_translated", "train", "de", "xtreme_translations/XNLI/translate-train/en-de-translated.tsv"),
            "a\tb\tc\t\tneutral\n",
            ":1: expected two sentences, found a blank hypothesis",
        ),
    ],
)
def test_an_example_that_does_not_fit_is_named_with_its_line(name, split, language, path, content, message, tmp_path: Path) -> None:
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(content)
    source = data_source(name, split, language, tmp_path)
    spec = DataSpec(task=name, task_version=TASKS.load(name).version, split=split, language=language, num_examples=None, source=source)
    with pytest.raises(ValueError, match=re.escape(f"{tmp_path / path}{message}")) as caught:
        load_examples(spec, tmp_path)
    assert str(caught.value).startswith(str(tmp_path / path))
    assert "\n" not in str(caught.value)


PARAGRAPH = {"context": "ab", "sentence_breaks": [[0, 2]]}


def xquad_r_file(paragraph: dict[str, Any]) -> str:
    return json.dumps({"data": [{"paragraphs": [paragraph]}]})


@pytest.mark.parametrize(
    ("name", "language", "path", "content", "message"),
    [
        ("bucc2018", "zh", "bucc2018/zh-en.test.gold", None, ":{n}: the pair {pair} is also on line 1; give it once"),
        ("lareqa", "de", "lareqa/xquad-r/de.json", xquad_r_file(PARAGRAPH | {"qas": [5]}), "{q}: expected an object, found 5"),
        (
            *("lareqa", "de", "lareqa/xquad-r/de.json", xquad_r_file(PARAGRAPH | {"qas": [{"answers": ["a"]}]})),
            '{q}.answers[0]: expected an object, found "a"',
        ),
        (
            *("mewslix", "tr", "mewsli-x/wikinews_mentions-test.jsonl", jsonl(ARTICLE | {"mentions": [ARTICLE["mentions"][0], 5]})),
            ":1: mentions[1]: expected an object, found 5",
        ),
        (
            *("mewslix", "tr", "mewsli-x/candidate_set_entities.jsonl", jsonl(ENTITIES[0] | {"sentence_spans": [[0, 22]]})),
            ":1: sentence_spans[0]: expected an object, found [0, 22]",
        ),
    ],
)
def test_what_is_no_sentence_pair_or_object_is_named_with_its_place(name, language, path, content, message, tmp_path: Path) -> None:
    case = next(case for case in CASES if (case.task, case.split, case.language) == (name, "test", language) and path in case.files)
    gold = case.files[path].splitlines()
    wrong = {path: content or "".join(f"{line}\n" for line in (*gold, gold[0]))}
    for file, text in (case.files | wrong).items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(text.encode())
    place = message.format(n=len(gold) + 1, pair=", ".join(map(repr, gold[0].split("\t"))), q=": data[0].paragraphs[0].qas[0]")
    with pytest.raises(ValueError, match=f"^{re.escape(f'{tmp_path / path}{place}')}$"):
        list(find_origin(name, TASKS.load(name), "test", language, tmp_path).entries())


def test_a_row_of_the_hub_that_does_not_fit_is_named() -> None:
    rows = [{"premise": "a", "hypothesis": "b", "label": 0}, {"premise": "a", "hypothesis": " ", "label": 0}]
    with pytest.raises(ValueError, match=r"^facebook/xnli de, row 1: expected two sentences, found a blank hypothesis$"):
        list(hub_entries("mnli_translated", "de", rows))


def test_an_answer_key_that_is_no_choice_is_refused(tmp_path: Path) -> None:
    question = {"question_concept": "c", "choices": [{"label": "A", "text": "suburb"}], "stem": "Where?"}
    path = tmp_path / "commonsenseqa" / "dev_rand_split.jsonl"
    path.parent.mkdir()
    path.write_text(jsonl({"answerKey": "F", "id": "1", "question": question}))
    with pytest.raises(ValueError, match=r"dev_rand_split.jsonl:1: expected answerKey to be one of A, found 'F'$"):
        list(find_origin("commonsenseqa", TASKS.load("commonsenseqa"), "dev", "en", tmp_path).entries())


def test_a_question_that_is_neither_cause_nor_effect_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "xcopa" / "val.et.jsonl"
    path.parent.mkdir()
    path.write_text(jsonl({"premise": "a", "choice1": "b", "choice2": "c", "question": "why", "label": 0, "idx": 0}))
    with pytest.raises(ValueError, match=r"val.et.jsonl:1: expected question to be cause or effect, found 'why'$"):
        list(find_origin("xcopa", TASKS.load("xcopa"), "dev", "et", tmp_path).entries())


def test_the_task_in_the_documentation_is_the_task() -> None:
    (code, *_) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "add_a_task.md").read_text(), flags=re.DOTALL)
    assert code.count("\n") <= 60, "the page promises a file of up to 60 lines"
    assert code == (ROOT / "trainables" / "tasks" / "rte.py").read_text()


def test_a_task_of_parts_has_their_examples_one_part_after_the_other(tmp_path: Path) -> None:
    for case in CASES:
        if case.task in ("snli", "mnli", "anli") and case.split == "dev":
            for path, content in case.files.items():
                (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / path).write_bytes(content.encode())
    origin = find_origin("anli_plus", TASKS.load("anli_plus"), "dev", "en", tmp_path)
    entries = list(origin.entries())
    expected = [
        entry._replace(id=f"{part}/{entry.id}")
        for part in ("snli", "mnli", "anli")
        for entry in find_origin(part, TASKS.load(part), "dev", "en", tmp_path).entries()
    ]
    assert entries == expected
    assert {entry.id.partition("/")[0] for entry in entries} == {"snli", "mnli", "anli"}
    assert re.fullmatch("parts:[0-9a-f]{16}", origin.source)
    assert available_languages("anli_plus", "dev", tmp_path) == ("en",)
    changed = next(tmp_path.rglob("R3/dev.jsonl"))
    changed.write_text(changed.read_text().replace("F.", "G."))
    assert find_origin("anli_plus", TASKS.load("anli_plus"), "dev", "en", tmp_path).source != origin.source
    changed.unlink()
    with pytest.raises(ValueError, match="anli dev en: no files"):
        find_origin("anli_plus", TASKS.load("anli_plus"), "dev", "en", tmp_path)


def test_a_row_of_a_csv_file_that_lacks_a_column_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cosmosqa").mkdir()
    (tmp_path / "cosmosqa" / "valid.csv").write_text("id,context,question,answer0,answer1,answer2,answer3,label\nq1,c,q,a,b\n")
    with pytest.raises(ValueError, match=r"valid.csv:2: expected 8 columns, found fewer"):
        list(find_origin("cosmosqa", TASKS.load("cosmosqa"), "dev", "en", tmp_path).entries())


# The published data in ../shared/data. What its README and the PROVENANCE.md files count:

real_data = pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"the published files are not at {REAL_DATA}")


def read_real(name: str, split: Split, language: str) -> list[Example]:
    return read_split(name, split, language, REAL_DATA)


def as_golden(examples: list[Example]) -> dict[str, Any]:
    found = statistics_of(examples)
    fields = {
        name: {"texts": field.num_texts, "characters": field.characters, "words": field.words} for name, field in found.fields.items()
    }
    return {"examples": found.num_examples, "labels": found.labels, "fields": fields}


@pytest.mark.realdata
@real_data
def test_every_real_split_is_counted() -> None:
    present = set(real_splits(REAL_DATA, TASKS.names))
    assert present == {(name, split, language) for (name, split), counts in COUNTS.items() for language in counts}


@pytest.mark.realdata
@real_data
@pytest.mark.parametrize(("name", "split"), COUNTS, ids=lambda value: str(value))
def test_real_split_has_the_documented_counts_and_golden_statistics(name: str, split: Split) -> None:
    golden = json.loads(GOLDEN.read_text())
    for language, count in COUNTS[name, split].items():
        examples = read_real(name, split, language)
        assert sum(not (isinstance(example, Passage) and example.side == "candidate") for example in examples) == count
        assert json.loads(json.dumps(as_golden(examples))) == golden[f"{name}/{split}/{language}"]


@pytest.mark.realdata
@real_data
def test_unanswerable_questions_of_squad2() -> None:
    questions = [example for example in read_real("squad2", "train", "en") if isinstance(example, Question)]
    assert sum(not question.answers for question in questions) == 348


@pytest.mark.realdata
@real_data
@pytest.mark.parametrize(
    ("name", "split"),
    [
        *((name, "test") for name in ("xnli", "pawsx", "panx", "udpos", "commonsenseqa", "copa")),
        *(("tydiqa", split) for split in ("dev", "test")),
    ],
)
def test_unlabelled_test_splits_are_refused(name: str, split: Split) -> None:
    source = data_source(name, split, "en", REAL_DATA)
    spec = DataSpec(task=name, task_version=1, split=split, language="en", num_examples=None, source=source)
    with pytest.raises(ValueError, match="unlabelled"):
        load_examples(spec, REAL_DATA)


@pytest.mark.realdata
@real_data
@pytest.mark.parametrize(
    ("name", "split", "path", "language"),
    [
        *(("xquad", "test", "xquad/xquad.{}.json", language) for language in TASKS.load("xquad").languages),
        *(("mlqa", "dev", "mlqa/MLQA_V1/dev/dev-context-{0}-question-{0}.json", language) for language in TASKS.load("mlqa").languages),
        *(("tydiqa", "train", "tydiqa/tydiqa-goldp-v1.1-train/tydiqa.goldp.{}.train.json", language) for language in ("en", "ko", "sw")),
    ],
)
def test_answers_are_found_again_as_the_hub_strips_them(name: str, split: Split, path: str, language: str) -> None:
    """The script of google/xtreme stripped contexts, questions and answers, and kept the starts."""
    questions = [question for question in read_real(name, split, language) if isinstance(question, Question)]
    rows = []
    for article in json.loads((REAL_DATA / path.format(language)).read_text("utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                answers = [{"text": answer["text"].strip(), "answer_start": answer["answer_start"]} for answer in question["answers"]]
                rows.append(hub_squad(question["id"], question["question"].strip(), paragraph["context"].strip(), *answers))
    hub = TASKS.load(name).hub_of(language)
    assert hub is not None
    found = [hub.read(row, language, number) for number, row in enumerate(rows)]
    # XTREME cuts the ids of TyDiQA's files, and the hub's copy does not
    assert [question._replace(id="") for question in found if isinstance(question, Question)] == [
        question._replace(id="") for question in questions
    ]


@pytest.mark.realdata
@real_data
def test_xnli_rows_are_parallel() -> None:
    labels = [[example.label for example in read_real("xnli", "dev", language) if isinstance(example, Text)] for language in ("en", "sw")]
    assert labels[0] == labels[1]


if __name__ == "__main__":
    lines = [f"{json.dumps('/'.join(key))}: {json.dumps(as_golden(read_real(*key)))}" for key in real_splits(REAL_DATA, TASKS.names)]
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def test_every_metric_is_of_some_kind_and_every_kind_has_metrics() -> None:
    assert {name for names in METRICS_OF.values() for name in names} == set(METRICS)
    assert tuple(METRICS_OF) == get_args(Kind)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "classifcation"}, "kind: 'classifcation' is no kind of task; did you mean 'classification'?"),
        ({"metrics": ("acuracy",)}, "metrics: 'acuracy' is no metric of classification; did you mean 'accuracy'?"),
        ({"metrics": ("span_f1",)}, "metrics: 'span_f1' is no metric of classification; known: accuracy, binary_f1"),
        ({"metrics": ()}, "metrics: name at least one of accuracy, binary_f1; the first is selected on"),
        ({"labels": ("a", "b", "a")}, "labels: 'a' is there twice"),
        ({"labels": ()}, "labels: none are given, and no files name them (`read_labels`)"),
        ({"metrics": ("binary_f1",)}, "metrics: binary_f1 is of the second of two labels, but there are 3"),
    ],
)
def test_what_no_task_can_be_is_said_when_its_file_is_read(fields: dict[str, object], message: str) -> None:
    right = {"version": 1, "kind": "classification", "languages": ("en",), "labels": ("a", "b", "c"), "metrics": ("accuracy",)}
    Task(**right)
    with pytest.raises(ValueError, match=re.escape(message)):
        Task(**right | fields)
