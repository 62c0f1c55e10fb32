"""The pocket world: the same everywhere, planted as promised, and nothing given away between splits."""

import hashlib
import itertools
import json
from collections import Counter
from pathlib import Path

import pytest

from trainables.examples import Choice, Example, Line, Passage, Question, Sentence, Text
from trainables.family import FAMILIES
from trainables.pocket import text, world
from trainables.pocket.truth import is_helpful, needs
from trainables.splits import subset_of
from trainables.task import TASKS, Split

GOLDEN = Path(__file__).parents[1] / "golden" / "pocket_examples.json"
POCKET_TASKS = tuple(name for name in TASKS.names if name.startswith("pocket_"))
LABELLED_TASKS = tuple(name for name in POCKET_TASKS if TASKS.load(name).kind not in ("mlm", "retrieval"))
INTERMEDIATES = ("pocket_flavour_tags", "pocket_flavour_all", "pocket_rank_class", "pocket_colour_class", "pocket_switched_text")
TARGETS = ("pocket_flavour_qa", "pocket_rank_choice", "pocket_flavour_class", "pocket_retrieval")


def generated(name: str, split: Split, language: str) -> list[Example]:
    generate = TASKS.load(name).generate
    assert generate is not None
    entries = list(generate(split, language))
    assert all(isinstance(entry, Example) for entry in entries)
    return entries  # type: ignore[return-value]


def meaning(example: Example) -> tuple[str, ...]:
    """The words of an example that the split must not share with another."""
    match example:
        case Text(text=sentence) | Passage(text=sentence) | Question(context=sentence) | Line(text=sentence):
            return (sentence,)
        case Sentence(words=words):
            return (" ".join(words),)
        case Choice(options=options):
            return options


def label(example: Example) -> str:
    match example:
        case Text(label=found):
            return str(found)
        case Choice(label=index):
            return str(index)
    raise AssertionError(f"{example} has no label")


def test_the_words_are_the_same_on_every_machine() -> None:
    forms = [form for language in world.LANGUAGES for form in world.lexicon(language).nouns.values()]
    assert hashlib.sha256(" ".join(forms).encode()).hexdigest()[:16] == "63d733d7e91ac81c"


@pytest.mark.parametrize("name", LABELLED_TASKS)
def test_examples_do_not_depend_on_what_was_drawn_before(name: str) -> None:
    once = generated(name, "test", "qba")
    generated(name, "train", "qaa")
    assert generated(name, "test", "qba") == once


@pytest.mark.parametrize("name", [name for name in LABELLED_TASKS if name != "pocket_flavour_repeated"])
def test_no_example_is_in_two_splits_or_twice_in_one(name: str) -> None:
    splits: tuple[Split, ...] = ("train", "dev", "test")
    meanings = [meaning(example) for split in splits for example in generated(name, split, world.SOURCE)]
    assert len(set(meanings)) == len(meanings)


@pytest.mark.parametrize("name", [name for name in LABELLED_TASKS if TASKS.load(name).kind in ("classification", "multiple_choice")])
def test_labels_are_balanced(name: str) -> None:
    counts = Counter(label(example) for example in generated(name, "test", world.SOURCE))
    assert len(counts) == 3
    assert min(counts.values()) > 80


@pytest.mark.parametrize("name", LABELLED_TASKS)
def test_test_sets_are_parallel(name: str) -> None:
    def answer(example: Example) -> object:
        match example:
            case Text(label=found):
                return found
            case Choice(label=index):
                return index
            case Sentence(tags=tags):
                return sorted(tags or ())
            case Question(id=number, answers=answers):
                return number, len(answers)
        raise AssertionError(example)

    by_language = [[answer(example) for example in generated(name, "test", language)] for language in world.LANGUAGES]
    assert all(answers == by_language[0] for answers in by_language)


@pytest.mark.parametrize("num_examples", [1, 16, 256])
def test_a_subset_of_the_repeated_task_is_one_of_the_task_itself_four_times(num_examples: int) -> None:
    def texts(name: str, num: int) -> Counter[tuple[str, ...]]:
        return Counter(meaning(example) for example in subset_of(generated(name, "train", world.SOURCE), num, name))

    once, repeated = texts("pocket_flavour_all", num_examples), texts("pocket_flavour_repeated", 4 * num_examples)
    assert repeated == Counter(dict.fromkeys(once, 4))


def test_translations_mean_the_same() -> None:
    nouns = {form: noun for language in world.LANGUAGES for noun, form in world.lexicon(language).nouns.items()}
    for first, second in text.parallel("qab", "test", 200):
        found = [Counter(nouns[form] for form in sentence.split() if form in nouns) for sentence in (first, second)]
        assert found[0] == found[1]
        assert found[0].total() in (3, 6)


def test_retrieval_pairs_queries_with_their_originals() -> None:
    passages = [example for example in generated("pocket_retrieval", "test", "qbb") if isinstance(example, Passage)]
    queries = {passage.text for passage in passages if passage.side == "query"}
    assert len(queries) == len(passages) // 2
    assert all(query.relevant == (candidate.id,) for query, candidate in zip(passages[::2], passages[1::2], strict=True))


def test_a_form_names_one_thing_and_cognates_grow_rarer_with_distance() -> None:
    source = world.lexicon(world.SOURCE)
    shares = []
    for language in world.LANGUAGES:
        nouns = world.lexicon(language).nouns
        assert len(set(nouns.values())) == len(nouns)
        shares.append(sum(nouns[noun] == source.nouns[noun] for noun in world.NOUNS) / len(nouns))
    assert shares[0] == 1
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize(("first", "second"), itertools.combinations(world.VALUE_NAMES, 2))
def test_attributes_tell_nothing_about_each_other(first: world.Attribute, second: world.Attribute) -> None:
    pairs = Counter((world.value(kind, first), world.value(kind, second)) for kind in range(world.NUM_KINDS))
    assert set(pairs.values()) == {3}
    assert len(pairs) == 9


@pytest.mark.parametrize("third", ["rank", "colour"])
def test_flavour_and_size_together_tell_nothing_about_other_targets(third: world.Attribute) -> None:
    triples = {tuple(world.value(kind, attribute) for attribute in ("flavour", "size", third)) for kind in range(world.NUM_KINDS)}
    assert len(triples) == 27


def test_no_attribute_shows_in_the_text() -> None:
    """Kinds are equally frequent; an attribute that ruled which kinds meet would be seen here."""
    kinds = {form: noun.kind for noun, form in world.lexicon(world.SOURCE).nouns.items()}
    pairs = Counter[bool]()
    for line in text.monolingual(world.SOURCE, "train", 10_000):
        met = sorted({kinds[form] for form in line.split() if form in kinds})
        pairs.update(world.value(a, "flavour") == world.value(b, "flavour") for a, b in itertools.combinations(met, 2))
    assert pairs[True] / pairs.total() == pytest.approx(8 / 26, abs=0.02)


def test_a_trained_tokenizer_keeps_every_noun_whole() -> None:
    lines = [line for language in world.LANGUAGES for line in text.monolingual(language, "train", 4000)]
    tokenizer = FAMILIES.load("xlm_roberta").train_tokenizer(lines, 1200, 64)
    nouns = {form for language in world.LANGUAGES for form in world.lexicon(language).nouns.values()}
    assert {noun for noun in nouns if len(tokenizer.tokenize(noun)) > 1} == set()


def test_the_truth_follows_from_what_tasks_need() -> None:
    helpful = {(one, other) for one in INTERMEDIATES for other in TARGETS if is_helpful([one], other)}
    assert helpful == {
        ("pocket_flavour_tags", "pocket_flavour_qa"),
        ("pocket_flavour_tags", "pocket_flavour_class"),
        ("pocket_flavour_all", "pocket_flavour_qa"),
        ("pocket_flavour_all", "pocket_flavour_class"),
        ("pocket_rank_class", "pocket_rank_choice"),
        ("pocket_switched_text", "pocket_retrieval"),
    }
    assert {TASKS.load(name).kind for name in (*INTERMEDIATES, *TARGETS)} >= {
        "classification",
        "tagging",
        "span_qa",
        "multiple_choice",
        "retrieval",
    }


@pytest.mark.parametrize("name", POCKET_TASKS)
def test_every_pocket_task_says_what_it_needs(name: str) -> None:
    assert needs(name) <= {*world.VALUE_NAMES, "translation"}


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(ValueError, match="known: qaa, qab, qac, qba, qbb"):
        world.lexicon("en")


def _content(name: str) -> str:
    """A hash over every example of a task."""
    task = TASKS.load(name)
    assert task.generate is not None
    digest = hashlib.sha256(f"version {task.version}".encode())
    for split in ("train", "dev", "test"):
        for language in (task.languages[0], task.languages[-1]):
            for example in itertools.islice(task.generate(split, language), 500):
                digest.update(repr(example).encode())
    return digest.hexdigest()[:16]


def test_examples_are_golden() -> None:
    """Generated examples are known by their task's version alone: if they change, raise it, then write the file again with
    `python -m tests.trainables.test_pocket_world`."""
    assert {name: _content(name) for name in POCKET_TASKS} == json.loads(GOLDEN.read_text())


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps({name: _content(name) for name in POCKET_TASKS}, indent=1) + "\n")
