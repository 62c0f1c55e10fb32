"""Leaks, known before a file is read and measured where files are, are named in the plan and in the cells that they touch."""

import itertools
import json
from pathlib import Path

import pytest

from sweeps.axes import BASE
from sweeps.leaks import SAME_FILES, Seen, find_leaks, measure_leaks
from sweeps.results import BASELINE
from tests.sweeps.simulation import builder_of, make_study
from tests.sweeps.test_plan import polystilts, write
from tests.trainables.test_tasks import REAL_DATA, real_data
from trainables.examples import Line, Passage, Text
from trainables.overlap import hash_texts
from trainables.specs import DataSpec
from trainables.task import TASKS


def data(name: str, num_examples: int | None = None) -> DataSpec:
    """`<task>/<split> <language>`; English where no language is named."""
    reference, _, language = name.partition(" ")
    task, _, split = reference.partition("/")
    return DataSpec(task=task, task_version=1, split=split, language=language or "en", num_examples=num_examples, source="hub:a@b")


def on(trained: str) -> Seen:
    """A training that nothing selects."""
    return Seen((data(trained),), ())


def assert_says(found: tuple[str, ...], words: list[str]) -> None:
    """A sentence for each, in any order."""
    assert len(found) == len(words), found
    assert all(any(word in leak for leak in found) for word in words), found


LEAKING = """
name: leaking
models:
  one: {family: xlm_roberta, hub: FacebookAI/xlm-roberta-base}
intermediates:
  mnli:
  anli_plus:
  squad_dev: {tasks: {squad1: {train: "dev[:9000]", dev: none}}}
targets:
  xnli:
  xquad:
"""


MNLI, XNLI = Seen((data("mnli/train"),), (data("mnli/dev"),)), Seen((data("mnli/train"),), (data("xnli/dev"),))
XQUAD = Seen((data("squad1/train"),), (data("squad1/dev"),))


@pytest.mark.parametrize(
    ("before", "own", "scored", "words"),
    [
        ([MNLI], XNLI, "xnli/test", ["mnli is also what xnli trains on"]),
        ([on("anli_plus/train")], XNLI, "xnli/test", ["mnli is also what xnli trains on"]),
        ([on("mnli_translated/train de")], XNLI, "xnli/test", ["mnli_translated is a translation of what xnli trains on"]),
        ([on("squad1_translated/train de")], XNLI, "xnli/test", []),
        ([on("tydiqa_translated/train sw")], on("tydiqa/train"), "tydiqa/test", ["tydiqa_translated is a translation of what tydiqa"]),
        ([on("squad2/train")], on("squad1/train"), "xquad/test", ["squad2/train shares examples with what xquad trains on"]),
        ([on("qqp/train")], on("pawsx/train"), "pawsx/test", []),
    ],
)
def test_training_twice_on_the_same(before, own, scored, words):
    assert_says(find_leaks(before, own, [data(scored)]), words)


@pytest.mark.parametrize(
    ("trained", "scored", "words"),
    [
        (
            "squad1/dev",
            "xquad/test",
            ["squad1/dev was trained on, and xquad/test is scored: SQuAD 1.1's dev set holds the original of every"],
        ),
        ("squad1/dev[:500]", "lareqa/test de", ["the original of every XQuAD question"]),
        ("squad2/dev", "xquad/test de", ["SQuAD 2.0's dev set is made of articles of SQuAD 1.1's"]),
        ("squad2/dev", "lareqa/test", ["SQuAD 2.0's dev set is made of articles of SQuAD 1.1's"]),
        ("squad2/dev", "squad1/dev", ["SQuAD 2.0's dev set is made of articles of SQuAD 1.1's"]),
        ("squad1/dev", "squad2/dev", ["SQuAD 2.0's dev set is made of articles of SQuAD 1.1's"]),
        ("squad1/train", "squad2/train[:9%]", ["SQuAD 2.0 adds questions without an answer"]),
        ("squad1/train", "squad2/dev", []),
        ("squad1/dev", "mlqa/dev", []),
        ("xquad/test", "squad1/dev", ["XQuAD's questions are of SQuAD 1.1's dev set"]),
        ("xquad/test de", "lareqa/test fr", ["LAReQA asks the questions of XQuAD"]),
        ("mlqa/dev de", "mlqa_pairs/dev en-es", ["in two languages are MLQA's"]),
        ("mlqa/dev", "mlqa_pairs/test en-es", []),
        ("copa/dev", "xcopa/dev it", ["XCOPA is a translation of COPA's"]),
        ("copa/test", "xcopa/test it", ["XCOPA is a translation of COPA's"]),
        ("copa/train", "xcopa/test it", []),
        ("tydiqa/dev", "tydiqa/test", ["tydiqa/dev was trained on, and tydiqa/test is scored: the same examples"]),
        ("tydiqa/dev[:50%]", "tydiqa/test[50%:]", []),
        ("tydiqa/dev sw", "tydiqa/test fi", []),
        ("xnli/dev", "xnli/dev de", ["the same examples in another language"]),
        ("panx/dev", "panx/dev de", []),
        ("mnli_translated/train de", "mnli/train[:9]", ["translations of the same examples"]),
        ("anli_plus/train", "snli/train", ["snli/train was trained on"]),
        ("commonsenseqa/dev[:50%]", "commonsenseqa/dev", ["in part the same examples"]),
        ("commonsenseqa/dev[:50%]", "commonsenseqa/dev[50%:]", []),
        ("commonsenseqa/dev[:100]", "commonsenseqa/dev[50:150]", ["in part the same examples"]),
        ("commonsenseqa/dev[:50%]", "commonsenseqa/dev[900:]", ["in part the same examples"]),
    ],
)
def test_what_was_trained_on_and_is_scored(trained, scored, words):
    """By the target's training and, the same, by one before it."""
    assert_says(find_leaks([], on(trained), [data(scored)]), words)
    assert_says(find_leaks([on(trained)], Seen((), ()), [data(scored)]), words)


@pytest.mark.parametrize(
    ("chosen", "scored", "words"),
    [
        ("squad1/dev", "xquad/test de", ["xquad/test {} SQuAD 1.1's dev set holds the original of every XQuAD question"]),
        ("squad1/dev", "lareqa/test", ["lareqa/test {} SQuAD 1.1's dev set holds the original of every XQuAD question"]),
        ("squad2/dev[:9%]", "xquad/test", ["xquad/test {} SQuAD 2.0's dev set is made of articles"]),
        ("squad1/dev", "mlqa/test", []),
        ("commonsenseqa/dev", "commonsenseqa/dev", ["commonsenseqa/dev {} the same examples"]),
        ("commonsenseqa/dev[:50%]", "commonsenseqa/dev[50%:]", []),
        ("tydiqa/dev", "tydiqa/test", ["tydiqa/test {} the same examples"]),
        ("tydiqa/dev[:50%]", "tydiqa/test[50%:]", []),
        ("tydiqa/dev", "tydiqa/test sw", []),
        ("bucc2018/dev de", "bucc2018/dev de", ["bucc2018/dev {} the same examples"]),
        ("bucc2018/dev de", "bucc2018/test de", []),
        ("xnli/dev", "xnli/dev de", ["xnli/dev {} the same examples in another language"]),
        ("xnli/dev", "xnli/test de", []),
    ],
)
def test_what_chooses_and_is_scored(chosen, scored, words):
    """Checkpoint, point or threshold of the target, or a checkpoint of a training before it."""
    choosing = Seen((), (data(chosen),))
    assert_says(find_leaks([], choosing, [data(scored)]), [word.replace("{}", "then scores:") for word in words])
    found = find_leaks([choosing], Seen((), ()), [data(scored)])
    assert_says(found, [word.replace("{}", "then scores:") for word in words])
    assert all("chooses a checkpoint before what" in leak for leak in found)


@pytest.mark.parametrize(
    ("before", "trained", "chosen", "words"),
    [
        ([], "commonsenseqa/train", "commonsenseqa/train[:100]", ["commonsenseqa/train[:100] chooses among checkpoints trained on"]),
        ([], "commonsenseqa/train[100:]", "commonsenseqa/train[:100]", []),
        ([], "commonsenseqa/train", "commonsenseqa/dev", []),
        ([], "pawsx/train de", "pawsx/train[:9]", ["trained on pawsx/train: the same examples in another language"]),
        (["squad1/dev"], "squad1/train", "squad1/dev", ["squad1 is also", "squad1/dev chooses among checkpoints trained on squad1/dev"]),
        (["squad2/dev"], "squad1/train", "squad1/dev", ["trained on squad2/dev: SQuAD 2.0's dev set is made of articles"]),
        (["mnli/train"], "snli/train", "mnli/train[:9]", ["mnli/train[:9] chooses among checkpoints trained on mnli/train"]),
    ],
)
def test_a_checkpoint_chosen_on_what_it_was_trained_on_is_marked_in_words_of_its_own(before, trained, chosen, words):
    found = find_leaks([on(each) for each in before], Seen((data(trained),), (data(chosen),)), [data("tatoeba/test")])
    assert_says(found, words)
    assert not any("score" in leak for leak in found)


def test_an_intermediate_training_that_selects_on_its_own_examples_is_marked():
    (leak,) = find_leaks([Seen((data("mnli/train"),), (data("mnli/train[:9]"),))], on("panx/train"), [data("panx/test")])
    assert leak.startswith("mnli/train[:9] chooses among checkpoints trained on mnli/train: in part the same examples")


def test_splits_that_go_by_two_names_are_those_whose_origins_are_one():
    names = set()
    for name in TASKS.names:
        task = TASKS.load(name)
        origins = [dict(layout.paths) for layout in task.files]
        origins += [dict(task.hub.splits)] if task.hub else []
        names |= {
            ((name, one), (name, other))
            for origin in origins
            for one, other in itertools.combinations(("train", "dev", "test"), 2)
            if one in origin and origin[one] == origin.get(other)
        }
    assert names == set(SAME_FILES.items())


def test_a_plan_names_every_leaking_pair(tmp_path):
    done = polystilts("plan", str(write(tmp_path, LEAKING)), "--home", str(tmp_path / "runs"), "--json")
    assert done.returncode == 0, done.stderr
    leaks = [tuple(leak.split(": ", 1)) for leak in json.loads(done.stdout)["leaks"]]
    twice = "a gain may be more training on the same task"
    holds = "SQuAD 1.1's dev set holds the original of every XQuAD question (Artetxe et al. 2020)"
    assert leaks == [
        ("every pair of xquad", f"squad1/dev chooses what xquad/test then scores: {holds}"),
        ("mnli -> xnli, anli_plus -> xnli", f"mnli is also what xnli trains on: {twice}"),
        ("squad_dev -> xquad", f"squad1 is also what xquad trains on: {twice}"),
        ("squad_dev -> xquad", f"squad1/dev[:9000] was trained on, and xquad/test is scored: {holds}"),
        (
            "squad_dev -> xquad",
            "squad1/dev chooses among checkpoints trained on squad1/dev[:9000]: in part the same examples, "
            "so the choice favours what was memorised",
        ),
    ]
    printed = polystilts("plan", str(write(tmp_path, LEAKING)), "--home", str(tmp_path / "runs")).stdout
    assert [line for line in printed.splitlines() if line.startswith("leak: ")] == [f"leak: {where}: {leak}" for where, leak in leaks]


def test_every_target_can_be_asked_for_its_leaks():
    names = [name for name in TASKS.names if (hub := TASKS.load(name).hub) is not None and "test" in hub.splits]
    trainable = [name for name in names if TASKS.load(name).kind not in ("retrieval", "mlm")]
    builder = builder_of(make_study(targets=trainable))
    assert [target for target in trainable if builder.leaks("xlmr", "mnli", target, BASE)] == ["tydiqa", "xnli", "xquad"]


def test_pretraining_and_every_dev_set_on_the_way_count():
    model = {"family": "xlm_roberta", "hub": "FacebookAI/xlm-roberta-base"}
    pretrained = {**model, "pretraining": {"tasks": {"squad1": {"train": "dev[:100]", "dev": "none"}}}}
    builder = builder_of(
        make_study(models={"one": model, "two": pretrained}, intermediates=["squad1", "qqp"], targets=["xquad", "pawsx", "mlqa"])
    )
    holds = "SQuAD 1.1's dev set holds the original of every XQuAD question (Artetxe et al. 2020)"
    own = f"squad1/dev chooses what xquad/test then scores: {holds}"
    assert builder.leaks("one", BASELINE, "xquad", BASE) == (own,)
    assert builder.leaks("one", "squad1", "xquad", BASE) == (
        "squad1 is also what xquad trains on: a gain may be more training on the same task",
        f"squad1/dev chooses a checkpoint before what xquad/test then scores: {holds}",
        own,
    )
    assert f"squad1/dev[:100] was trained on, and xquad/test is scored: {holds}" in builder.leaks("two", BASELINE, "xquad", BASE)
    assert [leak for leak in builder.leaks("one", "squad1", "mlqa", BASE) if "scored" in leak or "then scores" in leak] == []
    assert builder.leaks("one", "qqp", "pawsx", BASE) == ()


def text_files(folder: Path, **files: list[tuple[str, str]]) -> Path:
    """SNLI-CAD's and PAWS-X's files of sentence pairs, in the layout that their tasks read."""
    for name, pairs in files.items():
        path = folder / {"cad": "snli_cad/NLI/all_combined/train.tsv", "xnli": "xnli/dev-de.tsv"}[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        header = "sentence1\tsentence2\tgold_label\n" if name == "cad" else ""
        path.write_text(header + "".join(f"{one}\t{other}\tneutral\n" for one, other in pairs))
    return folder


MEASURED = """
name: measured
models:
  one: {family: xlm_roberta, hub: FacebookAI/xlm-roberta-base}
intermediates:
  snli_cad: {tasks: {snli_cad: {dev: none}}}
targets:
  xnli: {train: snli_cad/train, dev: snli_cad/train, test: dev, languages: [de]}
"""


def test_measured_overlap_is_in_the_plan_as_soon_as_there_are_files(tmp_path):
    seen = [("A man.", "He runs."), ("A dog.", "It barks."), ("A cat.", "It sleeps.")]
    scored = [("a MAN. ", "he  runs."), ("A dog.", "It sleeps."), ("A bird.", "It sings.")]
    data = text_files(tmp_path / "data", cad=seen, xnli=scored)
    study = str(write(tmp_path, MEASURED))
    command = ["plan", study, "--home", str(tmp_path / "runs"), "--data", str(data), "--json"]
    done = polystilts(*command)
    assert done.returncode == 0, done.stderr
    leaks = json.loads(done.stdout)["leaks"]
    split = "snli_cad/train was trained on and holds {} of xnli/dev, which is scored: de {} of 3"
    own = [split.format("whole examples", 1), split.format("first texts of pairs", 2), split.format("second texts of pairs", 2)]
    assert leaks == [
        "every pair of xnli: snli_cad/train chooses among checkpoints trained on snli_cad/train: the same examples, "
        "so the choice favours what was memorised",
        *(f"every pair of xnli: {leak}" for leak in own),
        "snli_cad -> xnli: snli_cad is also what xnli trains on: a gain may be more training on the same task",
    ]
    assert json.loads(polystilts(*command).stdout)["leaks"] == leaks, "from the cache"


def test_a_file_that_cannot_be_read_ends_a_plan_with_one_line(tmp_path):
    data = text_files(tmp_path / "data", cad=[("A man.", "He runs.\tneutral")], xnli=[("A.", "B.")])
    done = polystilts("plan", str(write(tmp_path, MEASURED)), "--home", str(tmp_path / "runs"), "--data", str(data))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "train.tsv:2: expected 3 columns" in done.stderr


def test_a_share_below_one_in_a_hundred_is_noted_for_whole_examples_alone():
    texts = [Text(str(number), f"text {number}", f"pair {number}", "neutral") for number in range(1000)]
    scored = {"de": texts, "fr": [text._replace(text=f"fr {text.text}", pair=f"fr {text.pair}") for text in texts]}
    seen = [texts[0], *(text._replace(pair="other") for text in texts[1:9])]
    specs = {name: data(f"xnli/test {name}") for name in scored} | {"seen": data("mnli/train")}
    hashes = {specs[name]: hash_texts(examples) for name, examples in {"seen": seen, **scored}.items()}
    found = measure_leaks([Seen((specs["seen"],), ())], [specs["de"], specs["fr"]], hashes.get)
    assert [leak.rpartition(": ")[2] for leak in found] == ["de 1 of 1,000"], "nine shared texts of a thousand are too few, one example not"
    hashes[specs["seen"]] = hash_texts([*seen, *(text._replace(pair="other") for text in texts[9:12])])
    found = measure_leaks([Seen((specs["seen"],), ())], [specs["de"], specs["fr"]], hashes.get)
    assert [leak.rpartition(": ")[2] for leak in found] == ["de 1 of 1,000", "de 12 of 1,000"]


def test_what_chooses_is_measured_too_but_not_where_it_is_the_scored_split():
    texts = [Text(str(number), f"text {number}", f"pair {number}", "neutral") for number in range(10)]
    train, dev, test = data("mnli/train"), data("xnli/dev"), data("xnli/test de")
    hashes = {train: hash_texts(texts[:2]), dev: hash_texts(texts[:4]), test: hash_texts(texts)}
    found = measure_leaks([Seen((train,), ()), Seen((), (dev,))], [test], hashes.get)
    assert found == (
        "mnli/train was trained on and holds whole examples of xnli/test, which is scored: de 2 of 10",
        "xnli/dev chooses a checkpoint or threshold and holds whole examples of xnli/test, which is scored: de 4 of 10",
    )
    assert measure_leaks([Seen((), (test,))], [test], hashes.get) == ()
    tydiqa = {data(f"tydiqa/{split}"): hashes[test] for split in ("dev", "test")}
    assert measure_leaks([Seen((), (data("tydiqa/dev"),))], [data("tydiqa/test")], tydiqa.get) == ()
    assert [leak.partition(" and ")[0] for leak in measure_leaks([Seen((dev,), (dev,))], [test], hashes.get)] == ["xnli/dev was trained on"]


def test_a_sentence_of_a_retrieval_target_in_running_text_is_measured():
    lines = [Line("0", "Habari yako?", None)]
    passages = [Passage("0", "How are you?", "query", ("0",)), Passage("0", "Habari yako?", "candidate", ())]
    hashes = {data("text/train sw"): hash_texts(lines), data("tatoeba/test sw"): hash_texts(passages)}
    (leak,) = measure_leaks([on("text/train sw")], [data("tatoeba/test sw")], hashes.get)
    assert leak == "text/train was trained on and holds candidates of tatoeba/test, which is scored: sw 1 of 1"


def test_candidates_that_the_slices_of_a_split_share_are_no_leak():
    queries = [Passage(str(number), f"query {number}", "query", (str(number),)) for number in range(4)]
    pool = [Passage(str(number), f"candidate {number}", "candidate", ()) for number in range(4)]
    dev, scored = data("bucc2018/dev[:50%] de"), data("bucc2018/dev[50%:] de")
    hashes = {dev: hash_texts([*queries[:2], *pool]), scored: hash_texts([*queries[2:], *pool])}
    assert measure_leaks([Seen((), (dev,))], [scored], hashes.get) == ()
    hashes[dev] = hash_texts([*queries[:3], *pool])
    (leak,) = measure_leaks([Seen((), (dev,))], [scored], hashes.get)
    assert leak.endswith("holds queries of bucc2018/dev[50%:], which is scored: de 1 of 2")


def test_what_is_not_known_is_passed_over():
    assert measure_leaks([on("mnli/train")], [data("xnli/test de")], {}.get) == ()


@pytest.mark.realdata
@real_data
def test_published_files_show_that_the_dev_set_of_squad_holds_xquad(tmp_path):
    study = """
        name: squad
        models: {one: {family: xlm_roberta, hub: FacebookAI/xlm-roberta-base}}
        intermediates: {squad_dev: {tasks: {squad1: {train: dev, dev: none}}}}
        targets: {xquad: {train: squad2/train, dev: squad2/train, languages: [de, en]}}
    """
    done = polystilts("plan", str(write(tmp_path, study)), "--home", str(tmp_path / "runs"), "--data", str(REAL_DATA), "--json")
    assert done.returncode == 0, done.stderr
    leaks = json.loads(done.stdout)["leaks"]
    assert any("the original of every XQuAD question" in leak for leak in leaks)
    assert (
        leaks[-1]
        == "squad_dev -> xquad: squad1/dev was trained on and holds whole examples of xquad/test, which is scored: en 1,190 of 1,190"
    )


@pytest.mark.realdata
@real_data
def test_published_files_show_what_squad_s_dev_set_holds_where_it_chooses_or_trains_for_retrieval(tmp_path):
    study = """
        name: squad
        models: {one: {family: xlm_roberta, hub: FacebookAI/xlm-roberta-base}}
        intermediates: {squad: {tasks: {squad2: {dev: squad1/dev}}}}
        targets: {xquad: {train: squad2/train, dev: squad1/dev, languages: [en, de]}, lareqa: {languages: [en]}}
    """
    done = polystilts("plan", str(write(tmp_path, study)), "--home", str(tmp_path / "runs"), "--data", str(REAL_DATA), "--json")
    assert done.returncode == 0, done.stderr
    measured = [leak for leak in json.loads(done.stdout)["leaks"] if "which is scored" in leak]
    holds = "squad1/dev chooses a checkpoint or threshold and holds"
    assert measured == [
        f"every pair of xquad: {holds} whole examples of xquad/test, which is scored: en 1,190 of 1,190",
        f"squad -> lareqa: {holds} queries of lareqa/test, which is scored: en 632 of 632",
    ]
