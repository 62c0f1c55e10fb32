"""A study is read strictly, and every mistake is one line with its place and its remedy."""

import textwrap
from pathlib import Path

import pytest

from search_spaces import SPACES
from sweeps.processor import slow_precision
from sweeps.references import parse_reference
from sweeps.study import StudyError
from sweeps.study_data import StudyData
from sweeps.study_file import load_study
from sweeps.study_training import DEFAULT_TRAINING, Training
from sweeps.synthetic_data import SyntheticData
from sweeps.yaml_reader import read_yaml
from trainables.task import TASKS

STUDIES = sorted((Path(__file__).parents[2] / "sweeps" / "studies").glob("*.yaml"))

GOOD = """
name: good
models:
  xlmr: {family: xlm_roberta, hub: FacebookAI/xlm-roberta-base}
intermediates: [mnli]
targets:
  xnli:
target_training: {learning_rate: 1e-5}
"""

RANDOM = """random: {{hidden_size: 16, num_layers: 1, num_heads: {num_heads}, intermediate_size: 32, vocabulary_size: 400,
                  tokenizer_text: {text}}}"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(textwrap.dedent(text))
    return path


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_shipped_study_is_valid_and_named_after_its_file(path):
    assert load_study(path).name == path.stem


@pytest.mark.parametrize("name", SPACES.names)
def test_every_search_space_varies_fields_of_a_training(name):
    assert set(SPACES.load(name)) <= set(Training.model_fields)


def test_a_list_of_names_is_short_for_empty_entries(tmp_path):
    study = load_study(write(tmp_path, GOOD))
    assert list(study.mixture("mnli").tasks) == ["mnli"]
    assert study.target_training.learning_rate == 1e-5


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: good", "name: good\ntrails: 3", "study.yaml: trails: unknown field; known: name, description,"),
        ("  xnli:", "  xnly:", "study.yaml: targets.xnly: unknown task 'xnly'; did you mean 'xnli'?"),
        ("[mnli]", "[mnlii]", "study.yaml: intermediates.mnlii.tasks.mnlii: unknown task 'mnlii'; did you mean 'mnli'?"),
        ("[mnli]", "[mnli]\npublished: [phang2021]", "study.yaml: published: unknown publication 'phang2021'; did you mean 'phang2020'?"),
        ("  xnli:", "  mnli: {test: dev}", "study.yaml: intermediates.mnli.tasks.mnli: it trains on mnli, which is a target: what it"),
        (
            "[mnli]",
            "{mix: {tasks: {snli: {train: xnli/dev}}}}",
            "study.yaml: intermediates.mix.tasks.snli: it trains on xnli, which is a target: what it gained there would be no transfer;",
        ),
        (
            "  xnli:",
            "  pawsx: {}\naxes: {more: {paws: {mixed_in: {pawsx: {languages: [de]}}}}}",
            "study.yaml: axes.more.paws.mixed_in.pawsx: it trains on pawsx, which is a target: what it gained there would be no",
        ),
        ("[mnli]", "[none]", "study.yaml: intermediates: 'none' is the baseline, which is always there; leave it out"),
        ("xlm_roberta,", "xlmr,", "study.yaml: models.xlmr: unknown model family 'xlmr'; known: bert, mt5, xlm_roberta"),
        ("  xnli:", "  xnli: {languages: [en, xx]}", "study.yaml: targets.xnli.languages: xnli has no language 'xx'; known: ar, bg,"),
        (
            "  xnli:",
            "  xnli: {languages: some}",
            "study.yaml: targets.xnli.languages: 'some' is neither a list of languages nor one of all,",
        ),
        ("  xnli:", "  pawsx: {languages: xtreme-r}", "study.yaml: targets.pawsx.languages: xtreme-r has no task 'pawsx', only lareqa, "),
        ("  xnli:", "  xnli: {test: dve}", "study.yaml: targets.xnli.test: split 'dve'"),
        ("  xnli:", "  xnli: {languages: [de, en, de]}", "study.yaml: targets.xnli.languages: 'de' is in the list twice; name it once"),
        ("  xnli:", "  xnli: {languages: []}", "study.yaml: targets.xnli.languages: [] names no language; name one, or one of all, "),
        ("  xnli:", "  xnli: {languages: [1]}", "study.yaml: targets.xnli.languages: 1 is no code of a language; write codes, as in [de"),
        ("  xnli:", "  xnli: {selection: [oracle, oracle]}", "study.yaml: targets.xnli.selection: 'oracle' is in the list twice; name"),
        ("  xnli:", "  xnli: {train: none}", "study.yaml: targets.xnli.train: split 'none' is not one of train, dev, test, or"),
        ("  xnli:", "  xnli: {dev: none}", "study.yaml: targets.xnli.dev: split 'none' is not one of train, dev, test, or"),
        ("  xnli:", "  xnli: {test: mnli/dev}", "study.yaml: targets.xnli.test: 'mnli/dev' is of another task; make that one a target, or"),
        (
            "  xnli:",
            "  xnli: {train: squad1/train}",
            "study.yaml: targets.xnli.train: 'squad1/train' is of kind span_qa, but xnli of kind classification; name a task of that kind",
        ),
        (
            "  xnli:",
            "  xnli: {dev: rte/dev}",
            "study.yaml: targets.xnli.dev: 'rte/dev' has the labels entailment, not_entailment, but xnli has entailment, neutral, contra",
        ),
        ("  xnli:", "  udpos: {train: ccg/train}", "study.yaml: targets.udpos.train: 'ccg/train' has the labels of its files, but udpos"),
        ("  xnli:", "  bucc2018: {dev: tatoeba/test}", "study.yaml: targets.bucc2018.dev: 'tatoeba/test' is of kind retrieval, but"),
        ("  xnli:", "  xnli: {retrieval: {layer: 8}}", "study.yaml: targets.xnli.retrieval.layer: [8], but xnli is no retrieval task;"),
        ("  xnli:", "  tatoeba: {selection: oracle}", "study.yaml: targets.tatoeba.selection: ['oracle'], but tatoeba is a retrieval task"),
        (
            "  xnli:",
            "  tatoeba: {train: train}",
            "study.yaml: targets.tatoeba.train: 'train', but tatoeba is a retrieval task, which trains",
        ),
        (
            "  xnli:",
            "  tatoeba: {dev: dev}",
            "study.yaml: targets.tatoeba.dev: 'dev', but tatoeba is a retrieval task, which trains nothing;",
        ),
        ("  xnli:", "  tatoeba: {num_examples: 9}", "study.yaml: targets.tatoeba.num_examples: 9, but tatoeba is a retrieval task, which"),
        (
            "  xnli:",
            "  bucc2018: {training: {epochs: 2}}",
            "study.yaml: targets.bucc2018.training.epochs: 2.0, but bucc2018 is a retrieval",
        ),
        ("  xnli:", "  tatoeba: {retrieval: {neighbours: 9}}", "study.yaml: targets.tatoeba.retrieval.neighbours: 9, but without a margin"),
        ("  xnli:", "  tatoeba: {retrieval: {layer: [8, 8]}}", "study.yaml: targets.tatoeba.retrieval.layer: 8 is in the list twice;"),
        (
            "\n  xnli:",
            " [{xnli: {}}]",
            "study.yaml: targets: {'xnli': {}} in a list of names; where entries have settings, write a mapping",
        ),
        ("\n  xnli:", " [xnli, xnli]", "study.yaml: targets: 'xnli' is in the list twice; name it once"),
        ("\n  xnli:", " xnli", "study.yaml: targets: 'xnli' is neither a list of names nor a mapping of names to settings; write [xnli]"),
        ("\n  xnli:", " 3", "study.yaml: targets: input should be a valid mapping, got 3"),
        ("  xnli:", '  "x\\ny":', r"study.yaml: targets.x\ny: unknown task 'x\ny'"),
        ("[mnli]", "[{mnli: {}}]", "study.yaml: intermediates: {'mnli': {}} in a list of names; where entries have settings, write a map"),
        ("[mnli]", "[tatoeba]", "study.yaml: intermediates.tatoeba.tasks.tatoeba: 'tatoeba' is a retrieval task, which trains nothing;"),
        (
            "[mnli]",
            "{m: {tasks: {mnli: {languages: de}}}}",
            "study.yaml: intermediates.m.tasks.mnli.languages: 'de' is neither a list of languages nor one of source, all, available;",
        ),
        (
            "[mnli]",
            "{m: {tasks: {mnli: {languages: [de]}}}}",
            "study.yaml: intermediates.m.tasks.mnli.languages: mnli has no language 'de'",
        ),
        ("[mnli]", "{m: {tasks: {mnli: {languages: [en, en]}}}}", "study.yaml: intermediates.m.tasks.mnli.languages: 'en' is in the list"),
        (
            "[mnli]",
            "{m: {tasks: {mnli: {dev: squad1/dev}}}}",
            "study.yaml: intermediates.m.tasks.mnli.dev: 'squad1/dev' is of kind span_qa",
        ),
        ("[mnli]", "{m: {tasks: {mnli: {train: rte/train}}}}", "study.yaml: intermediates.m.tasks.mnli.train: 'rte/train' has the labels"),
        (
            "[mnli]",
            "{m: {tasks: {mnli: {weight: 2}, qqp: {}}}}",
            "study.yaml: intermediates.m: tasks.mnli.weight: 2, but sampler is 'proportional'; a weight is for the weights sampler alone",
        ),
        (
            "[mnli]",
            "{m: {tasks: {mnli: {weight: 2, share: 0.5}, qqp: {}}, sampler: weights}}",
            "study.yaml: intermediates.m: tasks.mnli.weight: 2, but share is 0.5; a weight is for the weights sampler alone",
        ),
        (
            "name: good",
            "name: good\nsource_language: eng",
            "study.yaml: source_language: none of the tasks that are trained on has 'eng'; did",
        ),
        (
            "name: good",
            "name: good\nsource_language: de",
            "study.yaml: source_language: none of the tasks that are trained on has 'de'; known",
        ),
        (
            "name: good",
            "name: good\nsearch: {reduction_factor: 2}",
            "study.yaml: search: reduction_factor: 2, but it is for asha, and pruning",
        ),
        (
            "hub: FacebookAI/xlm-roberta-base",
            "folder: x, revision: y",
            "study.yaml: models.xlmr: revision: 'y', but only an encoder from the",
        ),
        ("hub: FacebookAI/xlm-roberta-base", "hub: ''", "study.yaml: models.xlmr.hub: string should have at least 1 character, got ''"),
        (
            "hub: FacebookAI/xlm-roberta-base",
            RANDOM.format(num_heads=3, text="[mnli]"),
            "study.yaml: models.xlmr.random: hidden_size: 16 is not a multiple of num_heads, 3; change one of them",
        ),
        (
            "hub: FacebookAI/xlm-roberta-base",
            RANDOM.format(num_heads=2, text="{mnli: {dev: dev}}"),
            "study.yaml: models.xlmr.random: tokenizer_text.mnli.dev: 'dev', but a tokenizer has no use for it; leave it out",
        ),
        (
            "hub: FacebookAI/xlm-roberta-base",
            RANDOM.format(num_heads=2, text="{mnli: {train: trian}}"),
            "study.yaml: models.xlmr.random.tokenizer_text.mnli.train: split 'trian' is not one of",
        ),
        (
            "hub: FacebookAI/xlm-roberta-base",
            RANDOM.format(num_heads=2, text="[mnlii]"),
            "study.yaml: models.xlmr.random.tokenizer_text.mnlii: unknown task 'mnlii'; did you mean 'mnli'?",
        ),
        ("1e-5", "-1e-5", "study.yaml: target_training.learning_rate: input should be greater than 0, got -1e-05"),
        ("1e-5", "fast", "study.yaml: target_training.learning_rate: input should be a valid number"),
        ("learning_rate: 1e-5", "epochs: 1, steps: 2", "study.yaml: target_training: give either epochs or steps, not both"),
        ("name: good", "name: good\nsearch: {trails: 3}", "study.yaml: search.trails: unknown field; did you mean 'trials'?"),
        ("name: good", "name: good\nsearch: {space: lr}", "study.yaml: search: unknown search space 'lr'"),
        ("name: good", "name: good\nsearch: {replicates: 0}", "study.yaml: search.replicates: input should be greater than 0, got 0"),
        ("name: good", "name: ../good", "study.yaml: name: '../good' may hold only letters, digits"),
        ("hub: FacebookAI/xlm-roberta-base", "hub: a, folder: b", "study.yaml: models.xlmr: give exactly one of hub, folder and random"),
        ("name: good", "name: good\nname: again", "study.yaml, line 3: the key 'name' is given twice"),
        ("[mnli]", "[mnli", "study.yaml, line 6:"),
        ("name: good", "name: good\nsearch: {trials: true}", "study.yaml: search.trials: true, but no field of a study is true or false"),
        (
            "[mnli]",
            "{m: {tasks: {mnli: {weight: 2}, snli: {train: mnli/train}}, sampler: weights}}",
            "study.yaml: intermediates.m.tasks.snli: trains on mnli as mnli does, and they have one share of the steps; give both",
        ),
        ("name: good", "name: !!bool good", "study.yaml, line 2: 'good' is not true or false"),
        ("1e-5", "!!float fast", "study.yaml, line 8: 'fast' cannot be read as a number"),
    ],
)
def test_a_mistake_is_one_line_with_place_and_remedy(tmp_path, old, new, message):
    assert old in GOOD
    with pytest.raises(StudyError) as error:
        load_study(write(tmp_path, GOOD.replace(old, new)))
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("target", "num_languages"),
    [
        ("xquad", 11),
        ("xquad: {languages: xtreme}", 11),
        ("xquad: {languages: xtreme-r}", 12),
        ("xquad: {languages: all}", 12),
        ("xquad: {languages: [ro]}", 1),
        ("udpos: {languages: available}", 33),
        ("panx: {languages: xtreme-r}", 48),
        ("xcopa", 11),
        ("mlqa_pairs", 42),
    ],
)
def test_a_target_s_mean_is_over_xtreme_s_languages_unless_the_study_says_otherwise(tmp_path, target, num_languages):
    name, _, entry = target.partition(":")
    study = load_study(write(tmp_path, GOOD.replace("xnli:", f"{name}: {entry}")))
    languages = StudyData(study, None, SyntheticData(tmp_path, ())).languages(name)
    assert len(languages) == num_languages
    assert list(languages) == [language for language in TASKS.load(name).languages if language in languages]


@pytest.mark.parametrize(("target", "dev"), [("mlqa", "mlqa"), ("mlqa_pairs", "squad1"), ("xquad", "squad1"), ("tydiqa", "tydiqa")])
def test_a_target_is_selected_on_its_own_english_dev_split_or_its_training_task_s(tmp_path, target, dev):
    study = load_study(write(tmp_path, GOOD.replace("xnli:", f"{target}:")))
    (data,) = StudyData(study, None, SyntheticData(tmp_path, ())).target_mixture(target, None, is_oracle=False).dev
    assert (data.task, data.split, data.language) == (dev, "dev", "en")


@pytest.mark.parametrize("gpus", ["half", "-1", ".inf"])
def test_gpus_are_a_number_or_auto(tmp_path, gpus):
    with pytest.raises(StudyError, match=r"resources.gpus_per_worker: .* is neither a number of GPUs, as 0, 0.5 or 1, nor auto") as error:
        load_study(write(tmp_path, GOOD.replace("name: good", f"name: good\nresources: {{gpus_per_worker: {gpus}}}")))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("gpus", ["0.5", "2", "auto"])
def test_each_of_several_workers_has_one_gpu_or_none(tmp_path, gpus):
    text = GOOD.replace("name: good", f"name: good\nresources: {{workers: 2, gpus_per_worker: {gpus}}}")
    with pytest.raises(StudyError, match=f"gpus_per_worker: {gpus}, but each of 2 workers computes on one GPU") as error:
        load_study(write(tmp_path, text))
    assert "\n" not in str(error.value)


def test_bfloat16_on_a_processor_without_it_is_said_to_be_slow(tmp_path):
    slow, fast = frozenset({"avx2"}), frozenset({"avx2", "avx512_bf16"})
    plain, half = (GOOD, GOOD.replace("xnli:", "xnli: {training: {precision: bfloat16}}"))
    study = load_study(write(tmp_path, half))
    assert slow_precision(study, fast) == slow_precision(load_study(write(tmp_path, plain)), slow) == ()
    (line,) = slow_precision(study, slow)
    assert line.startswith("targets.xnli.training: bfloat16")
    on_gpus = load_study(write(tmp_path, half.replace("name: good", "name: good\nresources: {gpus_per_worker: 1}")))
    assert slow_precision(on_gpus, slow) == ()


def test_several_mistakes_are_all_reported(tmp_path):
    with pytest.raises(StudyError) as error:
        load_study(write(tmp_path, GOOD.replace("name: good", "name: good\nsede: 1\nresources: {workers: none}")))
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "study.yaml: the file is empty; a study is a mapping of fields, at least name, models and targets"),
        (b"- name", "study.yaml: the file holds ['name']; a study is a mapping"),
        (b"{{study}}", "study.yaml, line 1: a list or mapping cannot be a key; are there braces too many?"),
        (b"[" * 5000, "study.yaml: lists or mappings lie too deep in each other; are there brackets too many?"),
        ("name: a\ndescription: Grüße".encode("latin-1"), "study.yaml, line 2: byte 0xfc is not UTF-8; save the file as UTF-8"),
    ],
)
def test_a_file_that_holds_no_study_is_one_line(tmp_path, content, message):
    path = tmp_path / "study.yaml"
    path.write_bytes(content)
    with pytest.raises(StudyError) as error:
        load_study(path)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_what_a_retrieval_target_has_a_use_for_is_taken(tmp_path):
    target = "bucc2018: {dev: 'dev[:50%]', training: {max_length: 64, precision: bfloat16}, retrieval: {margin: none, neighbours: 8}}"
    study = load_study(write(tmp_path, GOOD.replace("xnli:", target)))
    assert study.targets["bucc2018"].training.max_length == 64


def test_a_mixture_without_a_list_keeps_its_settings(tmp_path):
    study = load_study(write(tmp_path, GOOD.replace("[mnli]", "{mnli: {examples_cap: 1000, training: {steps: 5}}}")))
    mixture = study.mixture("mnli")
    assert (list(mixture.tasks), mixture.examples_cap, mixture.training.steps) == (["mnli"], 1000, 5)


def test_a_task_that_lacks_the_source_language_is_noted(tmp_path):
    text = GOOD.replace("name: good", "name: good\nsource_language: de").replace("xnli:", "panx:").replace("[mnli]", "[mnli, pawsx]")
    data = StudyData(load_study(write(tmp_path, text)), None, SyntheticData(tmp_path, ()))
    assert data.target_mixture("panx", None, is_oracle=False).train.language == "de"
    assert data.substitutes() == ("mnli has no examples in the source language, de; those in en are used.",)
    assert StudyData(load_study(write(tmp_path, GOOD)), None, SyntheticData(tmp_path, ())).substitutes() == ()


@pytest.mark.parametrize("target", ["xnli: {selection: oracle, languages: [en]}", "xnli: {selection: [source, oracle], dev: mnli/dev}"])
def test_an_oracle_that_knows_the_source_language_alone_is_refused(tmp_path, target):
    study = load_study(write(tmp_path, GOOD.replace("xnli:", target)))
    with pytest.raises(StudyError, match=r"^targets.xnli.selection: of the scored languages only en, the one of training, has \w+/dev, so"):
        StudyData(study, None, SyntheticData(tmp_path, ())).target_mixture("xnli", None, is_oracle=True)


def test_a_missing_study_is_named(tmp_path):
    with pytest.raises(StudyError, match=r"nowhere\.yaml: No such file"):
        load_study(tmp_path / "nowhere.yaml")


def test_yaml_numbers_and_languages_are_what_they_look_like():
    assert read_yaml("[1e-5, no, on, 010, 1.5, true, ~]", "x") == [1e-5, "no", "on", 10, 1.5, True, None]


def test_settings_are_inherited_and_a_length_replaces_a_length():
    assert Training(steps=10).over(DEFAULT_TRAINING).epochs is None
    assert Training(batch_size=8).over(DEFAULT_TRAINING).epochs == 3.0
    assert Training(batch_size=8).over(Training(batch_size=4, steps=5)).batch_size == 8


def test_references_name_task_and_split():
    assert parse_reference("dev[:90%]", "mnli") == ("mnli", "dev[:90%]")
    assert parse_reference("snli/train", "mnli") == ("snli", "train")
    with pytest.raises(ValueError, match="unknown task 'snlii'"):
        parse_reference("snlii/train", "mnli")
