"""MLflow's own pages of a tracked study in a real Chromium: the experiment, nested runs, a comparison, the report among the artifacts."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient

from sweeps.events import Event, StudyFinished
from sweeps.report.write import write_report
from tests.browser import chromium, errors_of
from tests.faults.mlflow_server import Server
from tests.sweeps.report.toy_study import Toy, toy_study
from tests.sweeps.test_tracking import STUDY, track, whole_study
from trainables.store import Store

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Locator, Page

PAIR = "xlmr-base: mnli -> xnli"
TRIALS = [f"mnli -> xnli, seed {seed}, lr 2e-5" for seed in (1, 2)]
WAIT_MS = 60_000
"""MLflow's pages are large, and a busy machine is slow to show the first."""

OF_MLFLOW = ("Failed to load resource", "ResizeObserver loop")
"""What its pages say of themselves: they ask for users, which only logins have, and lay their table of runs out twice on a busy machine."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator["BrowserContext"]:
    """With one cache for all tests: MLflow's scripts are megabytes."""
    with chromium() as found:
        yield found.new_context(viewport={"width": 1700, "height": 900})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Holds a study with a report."""
    folder = tmp_path_factory.mktemp("mlflow")
    server = Server(folder)
    try:
        server.start()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", server.uri)
            assert track(folder, _study_with_report(folder), timeout_s=120) == 0
        yield server
    finally:
        server.kill()


def _study_with_report(folder: Path) -> list[Event]:
    report = str(_report(folder))
    return [event.model_copy(update={"report": report}) if isinstance(event, StudyFinished) else event for event in whole_study()]


def _report(folder: Path) -> Path:
    store = Store(str(folder / "store"), folder / "cache")
    toy = Toy({"mnli": 0.4}, {"xnli": "accuracy"})
    return write_report(toy_study(store, toy), store, folder / "report").folder


@pytest.fixture
def page(browser: "BrowserContext", server: Server) -> Iterator["Page"]:
    """The study's runs. The console stays without an error but for MLflow's own."""
    opened = browser.new_page()
    opened.set_default_timeout(WAIT_MS)
    errors = errors_of(opened)
    experiment = MlflowClient(server.uri).get_experiment_by_name(STUDY)
    assert experiment is not None
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    opened.goto(f"{server.uri}/#/experiments/{experiment.experiment_id}/runs")
    opened.get_by_text("5 matching runs").wait_for()
    yield opened
    opened.evaluate("localStorage.clear()")  # MLflow keeps there which runs are expanded
    opened.close()
    assert [error for error in errors if not any(own in error for own in OF_MLFLOW)] == []


def _cell(page: "Page", run: str) -> "Locator":
    """The cell of the table of runs that has the run's name."""
    return page.get_by_role("gridcell").filter(has=page.get_by_role("link", name=run, exact=True))


def _expand(page: "Page", run: str) -> None:
    _cell(page, run).get_by_role("button").first.click()


def test_the_experiment_has_the_study_s_question_and_its_runs_nested(page: "Page") -> None:
    assert page.get_by_text("does MNLI help XNLI?").first.is_visible()
    assert not _cell(page, PAIR).is_visible()
    _expand(page, STUDY)
    _cell(page, "mnli, seed 0, lr 2e-5").wait_for()
    _expand(page, PAIR)
    for trial in TRIALS:
        _cell(page, trial).wait_for()


def test_a_pair_s_run_leads_to_its_trials_with_their_hyperparameters(page: "Page") -> None:
    _expand(page, STUDY)
    page.get_by_role("link", name=PAIR, exact=True).click()
    page.get_by_text("xnli/zh-Hant/accuracy").first.wait_for()
    page.get_by_role("link", name=TRIALS[0]).click()
    page.get_by_text("learning_rate", exact=True).first.wait_for()
    assert page.get_by_text("2e-05", exact=True).first.is_visible()
    assert page.get_by_text("stage_key").first.is_visible()


def test_two_trials_are_compared(page: "Page") -> None:
    _expand(page, STUDY)
    _expand(page, PAIR)
    for trial in TRIALS:
        row = _cell(page, trial).locator("xpath=ancestor::*[@role='row']")
        page.locator(f"[row-id='{row.get_attribute('row-id')}'] input.ag-checkbox-input").check()
    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_text("Comparing 2 Runs from 1 Experiment").wait_for()
    table = page.get_by_role("row").filter(has_text="learning_rate")
    assert table.first.inner_text().count("2e-05") == 2


def test_the_report_opens_among_the_artifacts_and_can_be_used_there(page: "Page") -> None:
    _cell(page, STUDY).get_by_role("link").click()
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("report", exact=True).first.click()
    page.get_by_text("report.html", exact=True).click()
    report = page.frame_locator("iframe")
    report.get_by_label("Language").select_option("de")
    assert "Shown: de alone" in report.get_by_role("status").inner_text()
    report.locator(".grid a.measured").last.click()
    report.get_by_role("dialog").locator("summary").first.click()
    report.locator("pre").first.wait_for()
