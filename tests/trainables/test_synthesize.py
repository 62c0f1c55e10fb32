"""Stages that make examples: what they publish is read as any data are, however many workers wrote it, and trained on."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import ray

from tests.trainables.toy_stages import data_spec, init_job, make_job, train_job, write_toy_data
from tests.trainables.toy_text_models import save_marian, save_nllb, save_writer
from trainables.data import load_examples
from trainables.example_file import FILE, read_example_file, write_examples
from trainables.examples import Answer, Choice, Dropped, Example, Question, Sentence, Text
from trainables.manifest import Manifest
from trainables.specs import CodeSwitch, DataSpec, FolderEncoder, Generate, MixtureTask, SynthesizeSpec, TranslationModel, WordList
from trainables.stage import run_stage
from trainables.store import Store
from trainables.synthesize import SWITCHED_SHARE
from trainables.task import TASKS
from trainables.translation import EMPTY, NOT_LOCATED, translated_texts, with_translations
from trainables.written import NOT_IN_CONTEXT, UNREADABLE, orders, read_answer

EXAMPLES: list[list[Example]] = [
    [Text("1", "a", None, "x"), Text("2", "ü", "b", None)],
    [Sentence("1", ("a", "b"), ("O", "X")), Sentence("2", ("c",), None)],
    [Question("1", "q", "abc", (Answer("b", 1), Answer("bc", 1))), Question("2", "q", "abc", ())],
    [Choice("1", "p", ("a", "b"), 1), Choice("2", "p", ("a",), None)],
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    saved = (
        save_nllb(folder / "nllb"),
        save_marian(folder / "there"),
        save_marian(folder / "back", seed=1),
        save_writer(folder / "writer"),
    )
    return {path.name: str(path) for path in saved}


def translation(name: str, **changes: Any) -> TranslationModel:
    fields = {
        "model": FolderEncoder(folder_hash=name),
        "source_code": "eng_Latn" if name == "nllb" else None,
        "target_code": "deu_Latn" if name == "nllb" else None,
        "prefix": "",
        "num_beams": 1,
        "max_length": 8,
        "batch_size": 16,
        "precision": "float32",
    }
    return TranslationModel.model_validate(fields | changes)


def generation(**changes: Any) -> Generate:
    fields = {
        "method": "generate",
        "model": FolderEncoder(folder_hash="writer"),
        "num_examples": 12,
        "num_shown": 2,
        "instruction": "Pairs.",
        "temperature": 1.0,
        "top_p": 0.9,
        "max_length": 8,
        "batch_size": 5,
        "precision": "float32",
        "seed": 0,
    }
    return Generate.model_validate(fields | changes)


def synthesis(folder: Path, by: object, language: str = "de") -> SynthesizeSpec:
    made_from = data_spec(folder, "pawsx", "train")
    fields = {"kind": "synthesize", "code_version": 1, "versions": (), "made_from": made_from, "language": language, "by": by}
    return SynthesizeSpec.model_validate(fields)


def run(folder: Path, spec: SynthesizeSpec, places: dict[str, str], **changes: Any) -> tuple[Manifest, list[Example]]:
    job = make_job(folder, spec, places=tuple(places.items()), **changes)
    store = Store(job.store, Path(job.cache))
    manifest = run_stage(job, store, lambda _: None)
    return manifest, load_examples(made_data(spec), folder, artifact=store.fetch(spec.key)).examples


def made_data(spec: SynthesizeSpec, num_examples: int | None = None) -> DataSpec:
    changes = {"language": spec.language, "num_examples": num_examples, "source": f"stage:{spec.key}"}
    return DataSpec.model_validate(dict(spec.made_from) | changes)


@pytest.mark.parametrize("examples", EXAMPLES, ids=lambda examples: type(examples[0]).__name__)
def test_examples_of_every_kind_are_read_as_they_were_written(tmp_path: Path, examples: list[Example]) -> None:
    write_examples(examples, tmp_path / FILE)
    assert list(read_example_file(tmp_path / FILE)) == examples


def test_a_translation_keeps_ids_and_labels_and_counts_what_it_cut(tmp_path: Path, models: dict[str, str]) -> None:
    folder = write_toy_data(tmp_path)
    spec = synthesis(folder, {"method": "translate", "forth": translation("nllb")})
    manifest, made = run(folder, spec, models)
    human = load_examples(spec.made_from, folder).examples
    originals = {each.id: each for each in human}
    assert all(each.label == originals[each.id].label for each in made)
    pairs = {(originals[each.id].text, each.text) for each in made}
    assert len(pairs) == len({one for one, _ in pairs}), "a text has one translation"
    assert len({other for _, other in pairs}) > 10
    source, synthetic = manifest.data
    num_lost = len(human) - len(made)
    assert (source.purpose, source.language, source.num_examples) == ("source", "en", len(human))
    assert (synthetic.purpose, synthetic.language, synthetic.num_examples) == ("synthetic", "de", len(made))
    assert synthetic.dropped == ({EMPTY: num_lost} if num_lost else {})
    assert {*synthetic.cut} == {"a text cut to max_length", "a text of the model's without its end"}
    assert all(0 < number <= len(human) for number in synthetic.cut.values())
    assert manifest.cost.num_tokens >= 8
    assert pq.read_schema(Store(str(folder / "store"), folder).fetch(spec.key) / FILE).names == ["id", "text", "pair", "label"]


def test_beams_prefix_and_language_change_the_translation(tmp_path: Path, models: dict[str, str]) -> None:
    folder = write_toy_data(tmp_path)
    changes: list[dict[str, Any]] = [{}, {"prefix": "deng bar "}, {"target_code": "swh_Latn"}]
    made = [run(folder, synthesis(folder, {"method": "translate", "forth": translation("nllb", **each)}), models)[1] for each in changes]
    assert made[0] != made[1]
    assert made[0] != made[2]


def test_back_translation_is_the_translation_of_the_translation(tmp_path: Path, models: dict[str, str]) -> None:
    folder = write_toy_data(tmp_path)
    forth, back = translation("there", max_length=12), translation("back", max_length=12)
    _, there = run(folder, synthesis(folder, {"method": "translate", "forth": forth}), models)
    manifest, made = run(folder, synthesis(folder, {"method": "back_translate", "forth": forth, "back": back}, "en"), models)
    assert [each.id for each in made] == [each.id for each in there]
    assert made != there
    assert manifest.data[1].language == "en"


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("nllb", {"target_code": "xxx_Latn"}, "has no language 'xxx_Latn'"),
        ("there", {"source_code": "eng_Latn"}, "is of one pair of languages, but it is told 'eng_Latn'; give codes: none"),
    ],
)
def test_a_model_that_lacks_a_language_says_so(
    tmp_path: Path, models: dict[str, str], name: str, changes: dict[str, Any], message: str
) -> None:
    folder = write_toy_data(tmp_path)
    with pytest.raises(ValueError, match=message):
        run(folder, synthesis(folder, {"method": "translate", "forth": translation(name, **changes)}), models)


def test_what_was_written_before_a_stage_died_is_not_written_again(tmp_path: Path) -> None:
    folder = write_toy_data(tmp_path)
    spec = synthesis(folder, {"method": "translate", "forth": translation("nllb", batch_size=200)})
    progress = Store(str(folder / "store"), folder).progress_folder(spec.key)
    progress.mkdir(parents=True)
    texts = {text for each in load_examples(spec.made_from, folder).examples for text in translated_texts(each)}
    written = [["schon da", False, False, 2]] * len(texts)
    (progress / "translation-0.jsonl").write_text(f'{json.dumps([0, written])}\n[1, [["abgebr')
    _, made = run(folder, spec, {})  # without a model: it would be missed
    assert {each.text for each in made} == {"schon da"}
    assert not progress.exists()


def test_a_random_model_s_answers_cannot_be_read_and_say_so(tmp_path: Path, models: dict[str, str]) -> None:
    folder = write_toy_data(tmp_path)
    with pytest.raises(ValueError, match=rf"pawsx by generate: none of 12 examples could be made \({UNREADABLE}: 12\)"):
        run(folder, synthesis(folder, generation(), "en"), models)


def test_what_can_be_read_of_an_answer_becomes_an_example() -> None:
    pool = [Text(str(number), f"first {number}", f"second\n{number}", label) for number in range(4) for label in ("0", "1")]
    asked = list(orders(TASKS.load("pawsx"), pool, generation(num_examples=4)))
    assert [order.label for order in asked] == ["0", "1", "0", "1"]
    assert asked[0].prompt.startswith("Pairs.\n\nLabel: 0\nText: first ")
    assert asked[0].prompt.endswith("\n\nLabel: 0\nText:")
    assert asked[0].prompt.count("Label: 0") == 3
    assert "Label: 1" not in asked[0].prompt
    answer = " A new one.\nSecond text: Another.\n\nLabel: 0\nText: more"
    assert read_answer(asked[1], answer, 0) == Text("1", "A new one.", "Another.", "1")
    for unreadable in ("", "A new one.", "A new one.\nSecond text:", "A new one.\n\nSecond text: too late", "A\nLabel: 1\nSecond text: b"):
        assert read_answer(asked[1], unreadable, 0) == Dropped("1", UNREADABLE)
    with pytest.raises(ValueError, match="none of the 4 examples that prompts may show is labelled '1'; enlarge the pool"):
        list(orders(TASKS.load("pawsx"), pool[::2], generation()))


def test_questions_and_choices_are_written_too() -> None:
    questions = [Question(str(number), f"who {number}?", f"it was x{number}", (Answer(f"x{number}", 7),)) for number in range(3)]
    (order,) = orders(TASKS.load("squad1"), [*questions, Question("n", "?", "c", ())], generation(num_examples=1, num_shown=9))
    assert order.prompt.count("Answer: x") == 3
    assert read_answer(order, "a b\nQuestion: what?\nAnswer: b", 0) == Question("0", "what?", "a b", (Answer("b", 2),))
    assert read_answer(order, "a b\nQuestion: what?\nAnswer: c", 0) == Dropped("0", NOT_IN_CONTEXT)
    (order,) = orders(TASKS.load("copa"), [Choice("1", "why", ("no", "yes"), 1)], generation(num_examples=1))
    assert "Right: yes\nWrong: no" in order.prompt
    places = set()
    for seed in range(8):
        made = read_answer(order, "p\nRight: r\nWrong: w", seed)
        assert isinstance(made, Choice)
        assert made.label is not None
        assert made.options[made.label] == "r"
        places.add(made.label)
    assert places == {0, 1}


def test_a_translated_answer_is_where_its_own_translation_is() -> None:
    example = Question("q", "who?", "It was Ann or Bob.", (Answer("Ann", 7), Answer("Bob", 14)))
    assert list(translated_texts(example)) == ["who?", "It was Ann or Bob.", "Ann", "Bob"]
    made = with_translations(example, iter(["wer?", "Es war Anna oder Bob.", "die Anna", "Bob"]))
    assert made == Question("q", "wer?", "Es war Anna oder Bob.", (Answer("Bob", 17),))
    assert with_translations(example, iter(["wer?", "Es war sie.", "Anna", "Bob"])) == Dropped("q", NOT_LOCATED)
    unanswerable = with_translations(example._replace(answers=()), iter(["wer?", "Es war sie."]))
    assert unanswerable == Question("q", "wer?", "Es war sie.", ())
    assert with_translations(Text("t", "a", "b", "x"), iter(["c", ""])) == Dropped("t", "a translation is empty")


def test_what_is_made_is_trained_on_in_nested_subsets(tmp_path: Path) -> None:
    folder = write_toy_data(tmp_path)
    (folder / "en-de.txt").write_text("bar\tbär\ndeng\tding\nkilik\tkohl\n")
    by = CodeSwitch(
        method="code_switch",
        dictionaries=(WordList(language="de", source="files:words"),),
        share=0.5,
        drawn_per="word",
        seed=0,
    )
    spec = synthesis(folder, by, "en")
    manifest, made = run(folder, spec, {"words": str(folder / "en-de.txt")})
    (share,) = manifest.measurements
    assert (share.metric, share.language) == (SWITCHED_SHARE, "en")
    assert 0 < share.value < 0.1
    artifact = Store(str(folder / "store"), folder).fetch(spec.key)
    subsets = [load_examples(made_data(spec, number), folder, artifact=artifact).examples for number in (10, 50)]
    assert [len(subset) for subset in subsets] == [10, 50]
    assert {*subsets[0]} < {*subsets[1]} < {*made}
    with pytest.raises(ValueError, match="num_examples is 121, but there are 120 examples"):
        load_examples(made_data(spec, 121), folder, artifact=artifact)
    encoder = run_stage(init_job(folder), Store(str(folder / "store"), folder / "cache"), lambda _: None)
    mixture = (MixtureTask(train=made_data(spec, 50), dev=(data_spec(folder, "pawsx", "dev[:50]"),), weight=1.0, share=None),)
    job = train_job(folder, encoder.key, mixture=mixture, steps=3)
    trained = run_stage(job, Store(job.store, Path(job.cache)), lambda _: None)
    assert trained.parents == (encoder.key, spec.key)
    assert [(use.purpose, use.num_examples) for use in trained.data] == [("train", 50), ("dev", 50)]


@pytest.fixture(scope="module")
def three_cpus() -> Iterator[None]:
    runtime_env = {"env_vars": {"PYTHONPATH": str(Path(__file__).parents[2])}}
    resources = {"driver_slot": 1}
    ray.init(address="local", num_cpus=3, resources=resources, include_dashboard=False, log_to_driver=False, runtime_env=runtime_env)
    yield
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.usefixtures("three_cpus")
def test_several_workers_write_what_one_does(tmp_path: Path, models: dict[str, str]) -> None:
    folder = write_toy_data(tmp_path)
    forth, back = translation("there", batch_size=7), translation("back", batch_size=7)
    spec = synthesis(folder, {"method": "back_translate", "forth": forth, "back": back}, "en")
    made = {workers: run(folder, spec, models, store=str(folder / f"store{workers}"), num_workers=workers) for workers in (1, 2)}
    assert made[1][1] == made[2][1]
    assert made[1][0].data == made[2][0].data
    assert made[1][0].files[0].sha256 == made[2][0].files[0].sha256
