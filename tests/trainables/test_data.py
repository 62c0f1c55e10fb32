"""From a DataSpec to its examples: origins, slices, subsets, and every refusal."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainables.toy_data import REAL_DATA, lines_task, toy_data, toy_examples, toy_task
from trainables.data import load_examples, read_examples
from trainables.examples import Answer, Choice, Dropped, Line, Passage, Question, Sentence, Text
from trainables.origins import available_languages, data_source, find_origin, languages_with
from trainables.specs import DataSpec
from trainables.splits import parse_split
from trainables.task import TASKS, HubSource, Split, Task


def texts(num: int) -> list[Text]:
    return [Text(f"id{i}", f"text {i}", None, "yes") for i in range(num)]


def ids(task: Task, data: DataSpec) -> list[str]:
    return [example.id for example in read_examples(task, data, None).examples]


@pytest.mark.parametrize(
    ("split", "first", "last", "num"),
    [
        ("dev", 0, 199, 200),
        ("dev[:90]", 0, 89, 90),
        ("dev[90%:]", 180, 199, 20),
        ("dev[100:120]", 100, 119, 20),
        ("dev[50%:110]", 100, 109, 10),
        ("dev[:100%]", 0, 199, 200),
    ],
)
def test_slices_follow_the_order_of_the_files(split: str, first: int, last: int, num: int) -> None:
    found = ids(toy_task("classification", texts(200)), toy_data(split))
    assert (found[0], found[-1], len(found)) == (f"id{first}", f"id{last}", num)


@pytest.mark.parametrize("split", ["dev[:]", "dev[-5:]", "dev[:1.5%]", "dev[1:2:3]", "validation", "dev [:9]", "dev[9]", "", "dev[:٣]x"])
def test_a_malformed_split_is_refused(split: str) -> None:
    with pytest.raises(ValueError, match=r"split .* is not one of train, dev, test, or a slice such as dev\[:9000\]"):
        parse_split(split)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("dev[:201]", r"toy dev en: dev\[:201\] reaches to 201, but there are 200 examples"),
        ("dev[101%:]", r"dev\[101%:\] reaches to 101%, but there are 200 examples"),
        ("dev[20:20]", r"dev\[20:20\] is empty: 20 to 20 of 200 examples"),
        ("dev[50:10%]", r"dev\[50:10%\] is empty: 50 to 20 of 200 examples"),
    ],
)
def test_a_slice_beyond_the_split_is_refused(split: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_examples(toy_task("classification", texts(200)), toy_data(split), None)


@given(st.integers(1, 100), st.integers(1, 100))
def test_subsets_are_nested_and_in_file_order(one: int, other: int) -> None:
    task = toy_task("classification", texts(100))
    small, large = (ids(task, toy_data(num_examples=num)) for num in sorted((one, other)))
    assert len(small) == min(one, other)
    assert set(small) <= set(large)
    assert large == [each for each in ids(task, toy_data()) if each in set(large)]


def test_a_subset_is_a_fixed_random_draw() -> None:
    assert ids(toy_task("classification", texts(100)), toy_data(num_examples=5)) == ["id3", "id24", "id33", "id61", "id87"]


@pytest.mark.parametrize("num", [0, -1, 101])
def test_an_impossible_subset_is_refused(num: int) -> None:
    with pytest.raises(ValueError, match=f"toy dev en, dev: num_examples is {num}, but there are 100 examples"):
        read_examples(toy_task("classification", texts(100)), toy_data(num_examples=num), None)


def test_a_subset_of_a_slice_lies_in_the_slice() -> None:
    found = ids(toy_task("classification", texts(100)), toy_data("dev[50:]", num_examples=10))
    assert len(found) == 10
    assert all(int(each[2:]) >= 50 for each in found)


def test_retrieval_subsets_keep_every_candidate() -> None:
    examples = read_examples(toy_task("retrieval"), toy_data("dev[:50%]", num_examples=5), None).examples
    assert [example.side for example in examples] == ["query"] * 5 + ["candidate"] * 24


def test_dropped_entries_are_counted_by_reason() -> None:
    entries = [*texts(3), Dropped("a", "no majority"), Dropped("b", "no majority"), Dropped("c", "blank")]
    assert read_examples(toy_task("classification", entries), toy_data(), None).dropped == {"blank": 1, "no majority": 2}


@pytest.mark.parametrize(
    ("kind", "example", "message"),
    [
        ("classification", Text("a", "x", None, "maybe"), "example 'a': label 'maybe' is not one of no, perhaps, yes"),
        ("classification", Text("a", "x", None, None), "example 'a': it has no label: this split is unlabelled"),
        ("classification", Text("id1", "x", None, "yes"), "the id 'id1' is there twice"),
        ("tagging", Sentence("a", ("x", "y"), ("O", "B-Y")), "example 'a': tag 'B-Y' of word 2 is not one of O, B-X, I-X"),
        ("tagging", Sentence("a", ("x", "y"), ("O",)), "example 'a': 2 words but 1 tags"),
        ("tagging", Sentence("a", (), ()), "example 'a': there are no words"),
        ("tagging", Sentence("a", ("x",), None), "example 'a': it has no tags: this split is unlabelled"),
        (
            "span_qa",
            Question("a", "?", "Rome and Oslo", (Answer("Oslo", 8),)),
            "example 'a': the answer 'Oslo' is not at character 8 of the context, where ' Osl' is",
        ),
        (
            "span_qa",
            Question("a", "?", "Rome", (Answer("Rome", -1),)),
            "the answer 'Rome' is not at character -1 of the context, where '' is",
        ),
        (
            "span_qa",
            Question("a", "?", "Rome", ()),
            "example 'a': it has no answer: this split is unlabelled, or the task lacks has_unanswerable=True",
        ),
        ("multiple_choice", Choice("a", "x", ("y", "z"), 2), "example 'a': label 2 is not the index of one of 2 options"),
        ("multiple_choice", Choice("a", "x", ("y", "z"), None), "example 'a': it has no label: this split is unlabelled"),
        ("retrieval", Passage("a", "x", "left", ()), "example 'a': side 'left' is not one of query, candidate"),
        ("retrieval", Passage("a", "x", "query", ("b", "c", "b")), "example 'a': it names the candidate 'b' twice"),
        ("retrieval", Passage("a", "x", "query", ("b",)), "1 queries and 0 candidates; there must be some of each"),
        ("mlm", Line("a", " \n", None), "example 'a': the line is blank"),
    ],
)
def test_an_entry_that_does_not_fit_is_named(kind, example, message: str) -> None:
    before = texts(3) if kind == "classification" else []
    with pytest.raises(ValueError, match="toy dev en: ") as raised:
        read_examples(toy_task(kind, [*before, example]), toy_data(), None)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("relevant", "message"),
    [(("9",), "query 'a' names the candidate '9', which is not there"), ((), "query 'a' names no relevant candidate")],
)
def test_a_query_names_its_candidates(relevant: tuple[str, ...], message: str) -> None:
    passages = [Passage("a", "x", "query", relevant), Passage("a", "y", "candidate", ())]
    with pytest.raises(ValueError, match=message):
        read_examples(toy_task("retrieval", passages), toy_data(), None)


def test_an_empty_split_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^toy dev en: the split is empty$"):
        read_examples(toy_task("classification", []), toy_data(), None)
    dropped = [Dropped("a", "no label"), Dropped("b", "blank"), Dropped("c", "no label")]
    with pytest.raises(ValueError, match=r"^toy dev en: the split is empty: all 3 entries were dropped \(blank: 1, no label: 2\)$"):
        read_examples(toy_task("classification", dropped), toy_data(), None)


def test_a_task_with_a_number_of_options_has_so_many() -> None:
    choices = [Choice("a", "x", ("y", "z"), 0), Choice("b", "x", ("y", "z", "w"), None)]
    with pytest.raises(ValueError, match=r"^toy dev en: example 'b': there are 3 options, expected 2$"):
        read_examples(toy_task("multiple_choice", choices, num_options=2), toy_data(), None, labelled=False)
    assert len(read_examples(toy_task("multiple_choice", choices), toy_data(), None, labelled=False).examples) == 2


@pytest.mark.parametrize("kind", ["classification", "tagging", "multiple_choice", "span_qa"])
def test_text_alone_may_be_unlabelled(kind) -> None:
    blank = {"classification": {"label": None}, "tagging": {"tags": None}, "multiple_choice": {"label": None}, "span_qa": {"answers": ()}}
    task = toy_task(kind, [example._replace(**blank[kind]) for example in toy_examples(kind)])
    assert read_examples(task, toy_data(), None, labelled=False).examples


def write_lines(path: Path, num: int, label: str = "yes") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"id{i}\ttext {i}\t{label}\n" for i in range(num)))


def test_the_first_layout_whose_files_exist_is_read(tmp_path: Path) -> None:
    task = lines_task()
    write_lines(tmp_path / "old" / "swh.tsv", 3)
    origin = find_origin("toy", task, "dev", "sw", tmp_path)
    assert "old/swh.tsv" in origin.place
    assert len(read_examples(task, toy_data(language="sw", source=origin.source), tmp_path).examples) == 3
    write_lines(tmp_path / "new" / "swh.tsv", 4)
    assert "new/swh.tsv" in find_origin("toy", task, "dev", "sw", tmp_path).place
    assert languages_with(task, "dev", tmp_path) == ("sw",)
    assert languages_with(task, "train", tmp_path) == ()


def test_the_source_of_files_is_their_content(tmp_path: Path) -> None:
    task = lines_task()
    write_lines(tmp_path / "a" / "old" / "en.tsv", 3)
    write_lines(tmp_path / "b" / "new" / "en.tsv", 3)
    sources = [find_origin("toy", task, "dev", "en", tmp_path / name).source for name in "ab"]
    assert sources[0] == sources[1]
    assert sources[0].startswith("files:")
    assert len(sources[0]) == len("files:") + 16
    write_lines(tmp_path / "a" / "old" / "en.tsv", 4)
    changed = find_origin("toy", task, "dev", "en", tmp_path / "a").source
    assert changed != sources[0]
    with pytest.raises(ValueError, match=f"old/en.tsv.*: the data is {changed} now, but the spec was made for {sources[0]}"):
        read_examples(task, toy_data(source=sources[0]), tmp_path / "a")


def test_a_missing_file_names_what_was_tried_and_what_there_is(tmp_path: Path) -> None:
    write_lines(tmp_path / "old" / "en.tsv", 3)
    write_lines(tmp_path / "new" / "train.tsv", 3)
    with pytest.raises(ValueError, match="toy dev sw: no files") as raised:
        find_origin("toy", lines_task(), "dev", "sw", tmp_path)
    assert f"tried {tmp_path}/new/swh.tsv, {tmp_path}/old/swh.tsv" in str(raised.value)
    assert str(raised.value).endswith("languages with dev files: en; splits with sw files: train")
    with pytest.raises(ValueError, match="tried nothing: the task has no layout with a test split; languages with test files: none"):
        find_origin("toy", lines_task(), "test", "sw", tmp_path)


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(ValueError, match="toy dev xx: language 'xx' is not one of en, sw"):
        find_origin("toy", toy_task("classification"), "dev", "xx", None)


def test_a_task_without_a_hub_needs_a_folder() -> None:
    with pytest.raises(ValueError, match="the task is not on the hub; give the folder of its files"):
        find_origin("toy", lines_task(), "dev", "en", None)


def test_another_task_version_is_refused() -> None:
    with pytest.raises(ValueError, match="task 'toy' is at version 2, but the spec was made for version 1"):
        read_examples(toy_task("classification", version=2), toy_data(), None)


def test_the_hub_is_read_through_datasets(tmp_path: Path) -> None:
    rows = [{"text": f"text {i}", "label": i % 3 - 1} for i in range(9)]
    (tmp_path / "validation.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def read(row, language: str, number: int):
        return Dropped(str(number), "no label") if row["label"] < 0 else Text(f"{language}{number}", row["text"], None, "yes")

    hub = HubSource(path=str(tmp_path), revision="main", config=None, splits={"dev": "validation"}, read=read)
    task = toy_task("classification", generate=None, hub=hub)
    source = find_origin("toy", task, "dev", "sw", None).source
    assert source == f"hub:{tmp_path}@main"
    examples, dropped = read_examples(task, toy_data(language="sw", source=source), None)
    assert [example.id for example in examples] == ["sw1", "sw2", "sw4", "sw5", "sw7", "sw8"]
    assert dropped == {"no label": 3}
    assert languages_with(task, "dev", None) == ("en", "sw")
    assert languages_with(task, "test", None) == ()
    with pytest.raises(ValueError, match="has no test split, only dev"):
        find_origin("toy", task, "test", "sw", None)


def test_planning_reaches_no_heavy_library() -> None:
    heavy = ("torch", "transformers", "ray", "datasets", "pyarrow", "numpy")
    code = f"import sys, trainables.data; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.realdata
@pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"{REAL_DATA} is not there")
@pytest.mark.parametrize("name", TASKS.names)
def test_published_files_pass_every_check(name: str) -> None:
    """One language of each split that is there; unlabelled ones are refused for exactly that."""
    task = TASKS.load(name)
    splits: tuple[Split, ...] = ("train", "dev", "test")
    for split in filter(task.has_split, splits):
        for language in available_languages(name, split, REAL_DATA)[:1]:
            source = data_source(name, split, language, REAL_DATA)
            data = DataSpec(task=name, task_version=task.version, split=split, language=language, num_examples=None, source=source)
            examples = load_examples(data, REAL_DATA, labelled=False).examples
            try:
                load_examples(data, REAL_DATA)
            except ValueError as error:
                examples = [] if "this split is unlabelled" not in str(error) else examples
            assert examples
