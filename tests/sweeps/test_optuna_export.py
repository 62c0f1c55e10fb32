"""Searches as real Optuna reads them, of a study that ran, of one that failed, and of a storage that is somebody else's."""

from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from search_spaces import SPACES
from sweeps.opened import Opened, open_study, walk_store
from sweeps.optuna_export import export_optuna
from sweeps.study import StudyError
from tests.sweeps.processes import run
from trainables.stage_log import stage_log

STUDY = """
name: searched
source_language: qaa
models: {pocket: {family: xlm_roberta, folder: ENCODER}}
intermediates: {pocket_colour_class: {training: {steps: 5}}}
targets: {pocket_flavour_class: {test: "test[:20]", languages: [qaa]}, pocket_retrieval: {test: "test[:20]", languages: [qab]}}
intermediate_training: {max_length: 64, num_evals: 1}
target_training: {steps: 12, max_length: 64, num_evals: 3}
search: {space: pocket, trials: 3, replicates: 2, pruning: incumbent}
"""
ENCODER = Path(__file__).parents[2] / "trainables" / "pocket" / "encoder"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("searched")
    (folder / "searched.yaml").write_text(STUDY.replace("ENCODER", str(ENCODER)))
    run(folder / "searched.yaml", folder / "home")
    return folder / "home"


@pytest.fixture
def opened(home: Path) -> Opened:
    return open_study(home.parent / "searched.yaml", home, None)


def test_optuna_finds_the_winner_of_each_search(opened: Opened) -> None:
    exported = export_optuna(opened)
    assert exported.storage == f"sqlite:///{opened.home.report('searched').resolve() / 'optuna.db'}"
    assert (exported.num_studies, exported.num_trials, exported.num_added) == (2, 6, 6), "retrieval searches nothing"
    programs = [program for program in walk_store(opened)[0].programs if program.trials]
    assert sorted(optuna.get_all_study_names(exported.storage)) == sorted(f"searched/{program.pair}" for program in programs)
    for program in programs:
        study = optuna.load_study(study_name=f"searched/{program.pair}", storage=exported.storage)
        assert study.best_trial.params == program.selected
        assert (study.user_attrs["intermediate"], study.user_attrs["metric"]) == (program.pair.intermediate, "accuracy")
        for trial in study.trials:
            trained = [each for each in program.trials if each.point == trial.params]
            assert trial.user_attrs["stage_keys"] == [each.manifest.key for each in trained]
            assert trial.user_attrs["seeds"] == [each.seed for each in trained]
            assert trial.state == (TrialState.PRUNED if any(each.is_pruned for each in trained) else TrialState.COMPLETE)
            assert trial.intermediate_values == {point.step: point.score for point in trained[0].manifest.curve}
            assert trial.distributions == SPACES.load("pocket")
            assert trial.datetime_start is not None
            assert trial.datetime_start.timestamp() == pytest.approx(trained[0].manifest.cost.started_at)
            assert trial.datetime_complete is not None
            assert trial.datetime_complete > trial.datetime_start


def test_a_second_export_adds_nothing_and_a_longer_search_adds_its_points(opened: Opened, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"
    walk, _ = walk_store(opened)
    (tmp_path / "searched.yaml").write_text(STUDY.replace("ENCODER", str(ENCODER)).replace("trials: 3", "trials: 2"))
    shorter = open_study(tmp_path / "searched.yaml", opened.home.root, None)
    assert export_optuna(shorter, url).num_added == 4
    assert export_optuna(opened, url).num_added == 2
    before = [(trial.number, trial.datetime_start, trial.value) for trial in trials(url, str(walk.programs[0].pair))]
    assert export_optuna(opened, url).num_added == 0
    assert [(trial.number, trial.datetime_start, trial.value) for trial in trials(url, str(walk.programs[0].pair))] == before


def trials(url: str, pair: str) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name=f"searched/{pair}", storage=url).trials


def test_a_training_that_failed_is_a_trial_that_failed_until_it_is_mended(opened: Opened, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"
    walk, _ = walk_store(opened)
    lost = walk.programs[0].trials[0].manifest
    path = opened.store.files.local(f"manifests/{lost.key}.json")
    content = path.read_bytes()
    with pytest.raises(MemoryError), stage_log(opened.store.files, lost.key):
        raise MemoryError
    path.unlink()
    try:
        export_optuna(opened, url)
        (failed,) = trials(url, str(walk.programs[0].pair))
        assert (failed.state, failed.user_attrs["stage_keys"]) == (TrialState.FAIL, [lost.key])
        assert failed.params == walk.programs[0].trials[0].point
    finally:
        path.write_bytes(content)
    assert export_optuna(opened, url).num_added == 3
    assert all(trial.state != TrialState.FAIL for trial in trials(url, str(walk.programs[0].pair)))


def test_a_study_of_somebody_else_is_left_alone(opened: Opened, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"
    name = f"searched/{walk_store(opened)[0].programs[0].pair}"
    optuna.create_study(study_name=name, storage=url).add_trial(optuna.trial.create_trial(value=1.0))
    with pytest.raises(StudyError, match="that polystilts did not write"):
        export_optuna(opened, url)
    assert len(optuna.load_study(study_name=name, storage=url).trials) == 1


@pytest.mark.parametrize("url", ["no url", "nosuch://x", "sqlite:////no/such/folder/optuna.db", "postgresql://me:secret@127.0.0.1:1/x"])
def test_a_storage_that_cannot_be_written_is_said_without_a_password(opened: Opened, url: str) -> None:
    with pytest.raises(StudyError, match=r"^--storage: .*sqlite:///optuna.db$") as raised:
        export_optuna(opened, url)
    assert "secret" not in str(raised.value)
