"""Cells find planted gains, and only those; they pair what can be paired, and say why a number is missing."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from toy_study import Toy, cells_of, toy_study

from sweeps.report.cells import Cell
from sweeps.results import BASELINE, PairResult, StudyResult
from trainables.store import Store

TOY = Toy(
    {"mnli": 0.4, "ccg": -0.4, "squad1": 0.0},
    {"xnli": "accuracy", "panx": "span_f1", "tatoeba": "accuracy"},
    seed_spread=0.0,
    seeds=(1, 2, 3, 4, 5),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Holds TOY, for tests that only read."""
    folder = tmp_path_factory.mktemp("toy")
    return Store(str(folder / "store"), folder / "cache")


@pytest.fixture(scope="module")
def result(store: Store) -> StudyResult:
    return toy_study(store, TOY)


@pytest.fixture
def own_store(tmp_path: Path) -> Store:
    """For tests that alter what is stored, or publish another study."""
    return Store(str(tmp_path / "store"), tmp_path / "cache")


def _by_name(cells: tuple[Cell, ...]) -> Mapping[tuple[str, str], Cell]:
    return {(cell.pair.intermediate, cell.pair.target): cell for cell in cells}


def _without(result: StudyResult, intermediate: str, problem: str | None, num_trials: int = 0) -> StudyResult:
    def cut(found: PairResult) -> PairResult:
        unfinished = found._replace(evaluations=(), trials=found.trials[:num_trials], selected=None, problem=problem)
        return unfinished if found.pair.intermediate == intermediate else found

    return result._replace(pairs=tuple(cut(found) for found in result.pairs))


def test_planted_gains_are_found_and_planted_nulls_are_not(store: Store, result: StudyResult) -> None:
    cells = _by_name(cells_of(result, store))
    for target in TOY.targets:
        assert cells["mnli", target].effect == "helps"
        assert cells["ccg", target].effect == "hurts"
        assert cells["squad1", target].effect == "unclear"
        assert cells["mnli", target].is_significant
        assert not cells["squad1", target].is_significant


def test_scores_are_those_of_the_manifests(store: Store, result: StudyResult) -> None:
    cells = _by_name(cells_of(result, store))
    for found in result.pairs:
        cell = cells[found.pair.intermediate, found.pair.target]
        assert cell.score is not None
        values = [one.value for evaluation in found.evaluations for one in evaluation.manifest.measurements]
        assert cell.score.value == pytest.approx(np.mean(values))
        assert cell.score.low < cell.score.value < cell.score.high
        assert cell.score.num_examples == TOY.num_examples * len(TOY.languages)
    gain = cells["mnli", "xnli"].gain
    assert gain is not None
    assert gain.value == pytest.approx(cells["mnli", "xnli"].score.value - cells[BASELINE, "xnli"].score.value)  # type: ignore[union-attr]


def test_families_and_scripts_are_means_of_their_zero_shot_languages(store: Store, result: StudyResult) -> None:
    cell = _by_name(cells_of(result, store))["mnli", "xnli"]
    by_language = {one.language: one for one in cell.languages}
    groups = {(one.by, one.name): one for one in cell.groups}
    assert {place: group.languages for place, group in groups.items()} == {
        ("family", "Germanic"): ("de",),
        ("family", "Niger-Congo"): ("sw",),
        ("script", "Latin"): ("de", "sw"),
    }
    assert groups["family", "Germanic"].gain == by_language["de"].gain
    latin = groups["script", "Latin"]
    assert latin.score == cell.zero_shot
    assert latin.gain == cell.zero_shot_gain


def test_languages_that_lose_are_named_where_the_others_gain(own_store: Store) -> None:
    toy = TOY._replace(gains={"mnli": 0.6}, losing=("sw",))
    cell = _by_name(cells_of(toy_study(own_store, toy), own_store))["mnli", "xnli"]
    assert cell.losing == ("sw",)
    assert [one.language for one in cell.languages if one.gain is not None and one.gain.low > 0] == ["en", "de"]


def test_zero_shot_leaves_the_source_language_out(store: Store, result: StudyResult) -> None:
    cell = _by_name(cells_of(result, store))["mnli", "xnli"]
    scores = {one.language: one.score.value for one in cell.languages}
    assert cell.zero_shot is not None
    assert cell.gap is not None
    assert [one.language for one in cell.languages] == ["en", "de", "sw"]
    assert cell.zero_shot.value == pytest.approx((scores["de"] + scores["sw"]) / 2)
    assert cell.gap.value == pytest.approx(scores["en"] - cell.zero_shot.value)


def test_a_target_that_trained_in_another_language_than_the_study_s_leaves_out_that_one(own_store: Store) -> None:
    cell = _by_name(cells_of(toy_study(own_store, TOY._replace(source="de")), own_store))["mnli", "xnli"]
    scores = {one.language: one.score.value for one in cell.languages}
    assert cell.zero_shot is not None
    assert cell.gap is not None
    assert (cell.source_language, [one.language for one in cell.languages]) == ("de", ["de", "en", "sw"])
    assert cell.zero_shot.value == pytest.approx((scores["en"] + scores["sw"]) / 2)
    assert cell.gap.value == pytest.approx(scores["de"] - cell.zero_shot.value)
    assert ("family", "Germanic", ("en",)) in {(one.by, one.name, one.languages) for one in cell.groups}


def test_an_interval_of_a_score_ends_where_scores_do(own_store: Store) -> None:
    toy = TOY._replace(gains={"mnli": 8.0}, seed_spread=3.0, seeds=(1, 2))
    found = cells_of(toy_study(own_store, toy), own_store)
    scores = [
        each for cell in found for each in (cell.score, cell.baseline, cell.zero_shot, *(one.score for one in cell.languages)) if each
    ]
    assert (min(score.low for score in scores), max(score.high for score in scores)) == (0, 1)
    assert max(cell.gain.high for cell in found if cell.gain is not None) > 1, "a difference has no such bounds"


def test_pairing_by_example_narrows_the_interval(own_store: Store) -> None:
    toy = TOY._replace(gains={"mnli": 0.4}, targets={"xnli": "accuracy"})
    paired = _by_name(cells_of(toy_study(own_store, toy), own_store))["mnli", "xnli"]
    unpaired = _by_name(cells_of(toy_study(own_store, toy._replace(baseline_ids="other")), own_store))["mnli", "xnli"]
    assert paired.gain is not None
    assert unpaired.gain is not None
    assert unpaired.gain.value == pytest.approx(paired.gain.value)
    assert unpaired.gain.high - unpaired.gain.low > 1.3 * (paired.gain.high - paired.gain.low)
    assert any("not paired by example" in note for note in unpaired.notes)
    assert not paired.notes


def test_retrieval_has_one_encoder_and_says_so(store: Store, result: StudyResult) -> None:
    cell = _by_name(cells_of(result, store))["mnli", "tatoeba"]
    assert cell.gain is not None
    assert cell.gain.num_seeds == 1
    assert cell.notes == ("one encoder: the interval covers test examples alone",)


def test_one_seed_of_a_training_is_no_verdict(own_store: Store) -> None:
    cell = _by_name(cells_of(toy_study(own_store, TOY._replace(seeds=(1,))), own_store))["mnli", "xnli"]
    assert cell.gain is not None
    assert cell.gain.low > 0
    assert cell.effect == "unjudged"
    assert cell.holm_p is None


def test_a_shared_encoder_is_said(own_store: Store) -> None:
    cells = _by_name(cells_of(toy_study(own_store, TOY._replace(shares_encoder=True)), own_store))
    assert any("begin from one encoder" in note for note in cells["mnli", "xnli"].notes)
    assert cells[BASELINE, "xnli"].notes == ()
    assert len(cells["mnli", "xnli"].encoder_keys) == 1


def test_chance_is_one_in_the_number_of_labels(store: Store, result: StudyResult) -> None:
    cells = _by_name(cells_of(result, store))
    assert cells["mnli", "xnli"].chance == pytest.approx(1 / 3)
    assert cells["mnli", "panx"].chance is None
    assert cells["mnli", "tatoeba"].chance is None


@pytest.mark.parametrize(
    ("problem", "num_trials", "reason"),
    [
        ("train-12 failed: CUDA out of memory", 0, "train-12 failed: CUDA out of memory"),
        (None, 2, "not finished: 2 trainings so far"),
        (None, 0, "not started"),
    ],
)
def test_an_unfinished_cell_says_why(store: Store, result: StudyResult, problem: str | None, num_trials: int, reason: str) -> None:
    cells = _by_name(cells_of(_without(result, "mnli", problem, num_trials), store))
    assert cells["mnli", "xnli"].score is None
    assert cells["mnli", "xnli"].problem == reason
    assert cells["ccg", "xnli"].effect == "hurts"


def test_without_a_baseline_there_are_scores_and_no_gains(store: Store, result: StudyResult) -> None:
    cell = _by_name(cells_of(_without(result, BASELINE, None), store))["mnli", "panx"]
    assert cell.score is not None
    assert cell.gain is None
    assert cell.problem == "no baseline: not started"


def test_gains_rest_on_the_seeds_that_both_arms_have(store: Store, result: StudyResult) -> None:
    pairs = [found._replace(evaluations=found.evaluations[:2]) if found.pair.intermediate == BASELINE else found for found in result.pairs]
    cell = _by_name(cells_of(result._replace(pairs=tuple(pairs)), store))["mnli", "xnli"]
    assert cell.gain is not None
    assert cell.gain.num_seeds == 2
    assert cell.notes == ("the gain rests on the seeds that the baseline has too: 1, 2",)


def test_a_gain_is_over_the_baseline_that_the_pair_names(store: Store, result: StudyResult) -> None:
    pairs = [
        found._replace(pair=found.pair._replace(variant="less data")) if found.pair.intermediate == "mnli" else found
        for found in result.pairs
    ]
    cell = _by_name(cells_of(result._replace(pairs=tuple(pairs)), store))["mnli", "xnli"]
    assert cell.effect == "helps"


def test_altered_and_missing_examples_are_a_problem_of_their_cell_alone(own_store: Store, tmp_path: Path) -> None:
    result = toy_study(own_store, TOY)
    altered, dropped = (found.evaluations[0].manifest for found in result.pairs if found.pair[1::2] in (("mnli", "xnli"), ("ccg", "xnli")))
    path = tmp_path / "store" / "artifacts" / altered.key / altered.attempt / "examples.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    own_store.drop_files(dropped.key)
    cells = _by_name(cells_of(result, own_store))
    assert "was altered" in str(cells["mnli", "xnli"].problem)
    assert "has no files" in str(cells["ccg", "xnli"].problem)
    assert cells["squad1", "xnli"].gain is not None


def test_examples_that_contradict_the_manifest_are_no_number(store: Store, result: StudyResult) -> None:
    manifest = result.pairs[0].evaluations[0].manifest
    measurements = tuple(one.model_copy(update={"value": 0.99}) for one in manifest.measurements)
    evaluation = result.pairs[0].evaluations[0]._replace(manifest=manifest.model_copy(update={"measurements": measurements}))
    pairs = (result.pairs[0]._replace(evaluations=(evaluation,)), *result.pairs[1:])
    cells = cells_of(result._replace(pairs=pairs), store)
    assert f"the examples of {manifest.key} do not give the accuracy" in str(cells[0].problem)


def test_no_pairs_are_no_cells(store: Store) -> None:
    assert cells_of(StudyResult("empty", "", "en", (), {}, None, ()), store) == ()


def test_a_leak_is_a_note_of_its_cell_alone(store: Store, result: StudyResult) -> None:
    leaking = [found._replace(leaks=("the answers were seen",) if found.pair.intermediate == "mnli" else ()) for found in result.pairs]
    cells = cells_of(result._replace(pairs=tuple(leaking)), store)
    assert {cell.pair.intermediate for cell in cells if "leak: the answers were seen" in cell.notes} == {"mnli"}
