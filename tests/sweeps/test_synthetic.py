"""Synthetic examples in a study: stages of their own, made once and first, and refused while planning where they cannot be."""

import random
from pathlib import Path

import pytest

from sweeps.estimate import count
from sweeps.opened import open_study
from sweeps.plan import PairProgram, plan_study
from sweeps.study import StudyError
from sweeps.study_file import load_study
from sweeps.walk import Walk
from tests.sweeps.simulation import manifest_of
from tests.sweeps.test_plan import POCKET, STUDIES, write
from tests.trainables.toy_text_models import save_nllb
from trainables.data import load_examples
from trainables.manifest import Manifest
from trainables.pocket.world import LANGUAGES, SOURCE, lexicon
from trainables.specs import Job, SynthesizeSpec, TrainSpec
from trainables.stage import run_stage
from trainables.store import Store

STUDY = """
name: synthetic
models:
  one: {family: xlm_roberta, hub: FacebookAI/xlm-roberta-base}
intermediates:
  human: {tasks: [mnli]}
  made: {tasks: {mnli: {synthetic: {METHOD}}}}
targets: [xnli, tatoeba]
axes:
  examples:
    1k: {intermediate_examples: 1000}
search: {trials: 2, replicates: 2}
encoder_seeds: paired
"""

TRANSLATE = "method: translate, hub: facebook/nllb-200-distilled-600M, languages: [de, sw]"
BACK = "method: back_translate, hub: facebook/nllb-200-distilled-600M, pivot: de"
SWITCH = "method: code_switch, dictionary: words, languages: [de, sw]"
WRITE = "method: generate, hub: Qwen/Qwen2.5-7B, num_examples: 5000"

POCKET_STUDY = f"""
name: pocket_synthetic
source_language: {SOURCE}
models:
  pocket: {{family: xlm_roberta, folder: {POCKET}}}
intermediates:
  switched:
    tasks:
      pocket_flavour_all:
        num_examples: 64
        synthetic: {{method: code_switch, dictionary: words, languages: [{", ".join(LANGUAGES[1:])}], share: 0.8}}
targets: [pocket_retrieval]
intermediate_training: {{steps: 4, max_length: 32, num_evals: 1, keep: last}}
target_training: {{max_length: 32}}
"""


def study(method: str, **changes: str) -> str:
    text = STUDY.replace("METHOD", method)
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def write_words(folder: Path) -> None:
    (folder / "words").mkdir()
    (folder / "words/en-de.txt").write_text("dog hund\n")
    (folder / "words/en-sw.txt").write_text("dog mbwa\n")


def programs_of(tmp_path: Path, text: str) -> list[PairProgram]:
    return plan_study(open_study(write(tmp_path, text), tmp_path / "runs", None).builder)


@pytest.mark.parametrize(
    ("method", "languages"),
    [(TRANSLATE, ["de", "sw"]), (BACK, ["en"]), (SWITCH, ["en"]), (WRITE, ["en"])],
    ids=["there", "back", "switch", "write"],
)
def test_a_mixture_trains_on_what_is_made_in_nested_subsets_of_one_stage(tmp_path, method, languages):
    write_words(tmp_path)
    stages = {program.pair: program.shared_stages() for program in programs_of(tmp_path, study(method))}
    made = {spec.key: spec for specs in stages.values() for spec in specs if isinstance(spec, SynthesizeSpec)}
    assert [spec.language for spec in made.values()] == languages
    for pair, specs in stages.items():
        if pair.intermediate == "made":
            assert [spec.key for spec in specs[: len(languages)]] == [*made], "before every training, and the same for every size and seed"
            (training,) = {spec for spec in specs if isinstance(spec, TrainSpec) and spec.seed == 0}
            used = [entry.train for entry in training.mixture]
            assert [data.source for data in used] == [f"stage:{key}" for key in made]
            assert [data.num_examples for data in used] == [1000 if pair.variant == "1k" else None] * len(used)
            assert [len(entry.dev) for entry in training.mixture] == [1, *[0] * (len(used) - 1)], "English dev examples select, once"
        else:
            assert not any(isinstance(spec, SynthesizeSpec) for spec in specs)


@pytest.mark.parametrize(("method", "num_made"), [(TRANSLATE, 2), (BACK, 1)], ids=["there", "back"])
def test_human_and_synthetic_examples_make_one_set(tmp_path, method, num_made):
    text = study(f"{method}, human_share: 0.25").replace("{mnli: {synthetic", "{mnli: {num_examples: 4000, synthetic")
    for program in programs_of(tmp_path, text):
        if program.pair.intermediate == "made":
            (training,) = {spec for spec in program.shared_stages() if isinstance(spec, TrainSpec) and spec.seed == 0}
            human, *made = [entry.train for entry in training.mixture]
            number = 1000 if program.pair.variant == "1k" else 4000
            assert (human.stage, human.num_examples) == (None, number // 4)
            assert [(data.stage is not None, data.num_examples) for data in made] == [(True, number * 3 // 4)] * num_made
            assert [len(entry.dev) for entry in training.mixture] == [1, *[0] * num_made]


def test_models_are_told_languages_in_their_own_words(tmp_path):
    def made(method: str) -> list[SynthesizeSpec]:
        specs = (spec for program in programs_of(tmp_path, study(method)) for spec in program.shared_stages())
        return list({spec.key: spec for spec in specs if isinstance(spec, SynthesizeSpec)}.values())

    nllb = [spec.by.forth for spec in made(TRANSLATE) if spec.by.method == "translate"]
    assert [(each.source_code, each.target_code) for each in nllb] == [("eng_Latn", "deu_Latn"), ("eng_Latn", "swh_Latn")]
    marian = [spec.by.forth for spec in made(TRANSLATE.replace("facebook/nllb-200-distilled-600M", "'Helsinki-NLP/opus-mt-en-{language}'"))]
    assert [each.model.hub for each in marian] == ["Helsinki-NLP/opus-mt-en-de", "Helsinki-NLP/opus-mt-en-sw"]
    assert {(each.source_code, each.target_code) for each in marian} == {(None, None)}
    (back,) = made(BACK.replace("facebook/nllb-200-distilled-600M", "facebook/m2m100_418M, codes: iso"))
    assert (back.by.forth.target_code, back.by.back.source_code, back.by.back.target_code) == ("de", "de", "en")
    told = made(TRANSLATE.replace("facebook/nllb-200-distilled-600M", "google/madlad400-3b-mt, prefix: '<2{language}> '"))
    assert [spec.by.forth.prefix for spec in told] == ["<2de> ", "<2sw> "]


def test_examples_are_made_once_and_before_the_first_training_that_reads_them(tmp_path):
    store: dict[str, Manifest] = {}
    walk = Walk(programs_of(tmp_path, study(TRANSLATE)), store.get)
    finished: list[str] = []
    order, running = random.Random(0), []
    while not walk.is_finished:
        while (request := walk.next()) is not None:
            assert {*request.parents} <= {*finished}
            running.append(request)
        request = running.pop(order.randrange(len(running)))
        store[request.key] = manifest_of(request)
        finished.append(request.key)
        walk.finish(request.key, store[request.key])
    assert len({*finished}) == len(finished)
    made = [key for key in finished if key.startswith("synthesize-")]
    assert len(made) == 2
    readers = [key for key in finished if {*made} <= {*store[key].parents}]
    assert len(readers) == 2 * 2, "two sizes, two seeds"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (study(SWITCH), r"intermediates\.made\.tasks\.mnli\.synthetic\.dictionary: there is no .*words/en-sw\.txt"),
        (
            study(SWITCH.replace("words", "muse")),
            r"intermediates\.made\.tasks\.mnli\.synthetic\.languages: muse has no dictionary from en to 'sw'",
        ),
        (
            study(TRANSLATE.replace("hub: facebook/nllb-200-distilled-600M", "folder: no_model")),
            r"intermediates\.made\.tasks\.mnli\.synthetic\.folder: .*no_model holds no config\.json",
        ),
        (study(TRANSLATE.replace("sw", "xx")), r"synthetic\.languages: 'xx' has no FLORES-200 code"),
        (study(TRANSLATE.replace("de, sw", "en")), r"synthetic\.languages: 'en' is the language of mnli itself; leave it out"),
        (study(TRANSLATE + ", human_share: 0.5"), r"mnli\.synthetic\.human_share: 0\.5 of num_examples, which mnli does not have"),
        (
            study(TRANSLATE + ", human_share: 0.0001").replace("{mnli: {synthetic", "{mnli: {num_examples: 2000, synthetic"),
            r"mnli\.synthetic\.human_share: 0\.0001 of 2000 examples leaves none of one kind",
        ),
        (study(BACK.replace("pivot: de", "pivot: en")), r"synthetic\.pivot: 'en' is the language of mnli itself"),
        (study(TRANSLATE + ", codes: none"), r"languages: 2, but facebook/nllb-200-distilled-600M is told none"),
        (study(BACK + ", codes: none"), "back: facebook/nllb-200-distilled-600M translates one way"),
        (study(TRANSLATE + ", folder: x"), "give exactly one of hub and folder"),
        (study(TRANSLATE.replace("[de, sw]", "all")), "languages: 'all' is no list of languages"),
        (study(SWITCH + ", shar: 1"), r"code_switch\.shar: unknown field; did you mean 'share'\?"),
        (study(WRITE, **{"1000": "6000"}), r"num_examples: 5000, but 6000 are to be trained on; make as many at least"),
        (study(WRITE + ", num_shown: 65"), r"synthetic\.num_shown: 65, but the pool is 64"),
        (study(SWITCH, **{"{tasks: {mnli:": "{tasks: {text:"}), r"text\.synthetic\.method: code_switch, but text is of kind mlm, .*leave"),
        (
            study(TRANSLATE, **{"{tasks: {mnli": "{tasks: {udpos"}),
            r"udpos\.synthetic\.method: translate, but udpos is of kind tagging, .*use code_switch",
        ),
        (study(SWITCH).replace("words, languages: [de, sw]}", "words, languages: [de]}, languages: all"), "but languages is 'all'; leave"),
    ],
)  # fmt: skip
def test_what_cannot_be_made_is_one_line_while_planning(tmp_path, text, message):
    (tmp_path / "words").mkdir()
    (tmp_path / "words/en-de.txt").write_text("dog hund\n")
    with pytest.raises(StudyError, match=message) as raised:
        open_study(write(tmp_path, text), tmp_path / "runs", None)
    assert "\n" not in str(raised.value)


def test_more_examples_than_the_source_has_are_refused_while_planning(tmp_path):
    write_pocket_words(tmp_path)
    text = POCKET_STUDY.replace("num_examples: 64", "num_examples: 9999")
    with pytest.raises(StudyError, match="num_examples is 9999, but there are 2400 examples"):
        open_study(write(tmp_path, text), tmp_path / "runs", None)


def test_a_local_model_and_a_dictionary_are_known_by_content(tmp_path):
    folder = save_nllb(tmp_path / "model")
    write_words(tmp_path)

    def keys() -> list[str]:
        found = []
        for method in (TRANSLATE.replace("hub: facebook/nllb-200-distilled-600M", "folder: model"), SWITCH):
            opened = open_study(write(tmp_path, study(method)), tmp_path / "runs", None)
            specs = [spec for program in plan_study(opened.builder) for spec in program.shared_stages()]
            found += [spec.key for spec in specs if isinstance(spec, SynthesizeSpec)]
            assert all(Path(place).exists() for place in opened.builder.synthetic.places.values())
        return found

    first = keys()
    assert keys() == first
    (folder / "extra.json").write_text("{}")
    changed = keys()
    assert not {*changed[:2]} & {*first}
    assert changed[-1] == first[-1]
    (tmp_path / "words/en-de.txt").write_text("dog köter\n")
    assert keys()[-1] != first[-1]


def test_the_full_study_of_data_size_plans_without_a_hub(tmp_path):
    counts = count(open_study(STUDIES / "data_scaling.yaml", tmp_path / "runs", None))
    assert counts.searches == 3 * (1 + 7 * 6)
    assert counts.stages == counts.trainings + 5 + counts.searches * 3, "five sources are made, once each"


def test_the_small_study_of_data_size_wants_dictionaries():
    found = load_study(STUDIES / "real_data_scaling.yaml").intermediates["code-switched"].tasks["mnli"].synthetic
    assert found is not None
    assert (found.method, found.dictionary) == ("code_switch", "../../runs/dictionaries"), "where the command of its header writes them"


def write_pocket_words(folder: Path) -> None:
    """The pocket world's own dictionaries."""
    (folder / "words").mkdir()
    source = lexicon(SOURCE)
    for language in LANGUAGES[1:]:
        nouns = lexicon(language).nouns
        lines = [f"{word}\t{nouns[noun]}" for noun, word in source.nouns.items()]
        (folder / f"words/{SOURCE}-{language}.txt").write_text("\n".join(lines) + "\n")


def test_the_pocket_world_is_code_switched_trained_on_and_scored(tmp_path):
    write_pocket_words(tmp_path)
    opened = open_study(write(tmp_path, POCKET_STUDY), tmp_path / "runs", None)
    walk = Walk(plan_study(opened.builder), opened.store.manifest)
    while (request := walk.next()) is not None:
        job = Job(
            spec=request.spec,
            store=opened.store.uri,
            cache=str(opened.home.cache),
            data=None,
            encoder_folder=request.folder,
            places=tuple(opened.builder.synthetic.places.items()),
            num_threads=1,
            num_workers=1,
            use_gpu=False,
            stop_below=(),
            checkpoint_every_s=60.0,
        )
        walk.finish(request.key, run_stage(job, Store(job.store, opened.home.cache), lambda _: None))
    assert walk.is_finished
    assert all(program.evaluations for program in walk.programs)
    (spec,) = (spec for spec in walk.programs[-1].shared_stages() if isinstance(spec, SynthesizeSpec))
    data = spec.made_from.model_copy(update={"source": f"stage:{spec.key}"})
    made = load_examples(data, None, artifact=opened.store.fetch(spec.key)).examples
    human = load_examples(spec.made_from, None).examples
    assert [(one.id, one.label) for one in made] == [(one.id, one.label) for one in human]
    nouns = [{*lexicon(language).nouns.values()} for language in LANGUAGES]
    words = [word for example in made for word in example.text.split()]
    shares = [sum(word in known for word in words) / len(words) for known in nouns]
    assert all(share > 0.05 for share in shares), "every language has a part in it"
