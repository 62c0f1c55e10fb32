"""The report in a real Chromium: what a reader clicks, types and prints, in both themes and on a phone."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from toy_study import Toy, toy_study

from sweeps.report.write import write_report
from sweeps.results import StudyResult
from tests.browser import chromium, errors_of
from trainables.store import Store

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

TOY = Toy(
    {"mnli": 0.4, "ccg": -0.4, "squad1": 0.0, "commonsenseqa": 0.1},
    {"xnli": "accuracy", "panx": "span_f1", "udpos": "pos_f1", "xquad": "f1", "tatoeba": "accuracy"},
    ("en", "de", "sw"),
)
LEAKING, MISSING = ("mnli", "xnli"), ("ccg", "panx")
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
THEMES = ("light", "dark")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("toy")
    return Store(str(folder / "store"), folder / "cache")


@pytest.fixture(scope="module")
def report(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a cell that leaks and one that is missing."""
    return write_report(_marked(toy_study(store, TOY)), store, tmp_path_factory.mktemp("report")).page


def _marked(result: StudyResult) -> StudyResult:
    pairs = [
        found._replace(leaks=("its answers were seen",))
        if found.pair[1::2] == LEAKING
        else found._replace(evaluations=(), problem="train-0123 failed: out of memory")
        if found.pair[1::2] == MISSING
        else found
        for found in result.pairs
    ]
    return result._replace(pairs=tuple(pairs))


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with chromium() as found:
        yield found


@pytest.fixture
def page(browser: "Browser", report: Path) -> Iterator["Page"]:
    """The report on a desk; whatever a test does with it, the console stays without an error."""
    opened = browser.new_page(viewport=DESK)
    errors = errors_of(opened)
    opened.goto(report.as_uri())
    yield opened
    opened.close()
    assert errors == []


def _cell(page: "Page", intermediate: str, target: str) -> "Locator":
    return page.locator(f".grid a[title*='{intermediate} -> {target}:'], .grid a[aria-label*='{intermediate} -> {target} ']")


def _rows(table: "Locator") -> list[str]:
    """The first word of each row that is seen."""
    return [row.inner_text().split()[0] for row in table.locator("tbody tr:visible").all()]


def _background(page: "Page") -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_a_click_sorts_a_table_and_the_next_one_turns_it_round(page: "Page") -> None:
    matrix = page.locator(".grid")
    header = matrix.get_by_role("columnheader", name="panx")
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "descending"
    assert _rows(matrix) == ["none", "mnli", "commonsenseqa", "squad1", "ccg"], "the baseline stays, what is missing comes last"
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    assert _rows(matrix) == ["none", "squad1", "commonsenseqa", "mnli", "ccg"]
    matrix.get_by_role("columnheader", name="Intermediate").get_by_role("button").click()
    assert header.get_attribute("aria-sort") is None
    assert _rows(matrix) == ["none", "ccg", "commonsenseqa", "mnli", "squad1"]


def test_sums_stay_below_the_languages_that_are_sorted(page: "Page") -> None:
    table = page.locator("#languages table").first
    table.get_by_role("columnheader", name="Language").get_by_role("button").click()
    assert _rows(table) == ["de", "en", "sw", "all", "zero-shot", "gap"]


def test_a_filter_to_a_language_changes_the_matrix_and_the_tables(page: "Page") -> None:
    link = _cell(page, "mnli", "xnli")
    whole = link.inner_text()
    page.get_by_label("Language").select_option("de")
    table = page.locator("#languages table").first
    assert _rows(table) == ["de"]
    assert "Shown: de alone" in page.get_by_role("status").inner_text()
    in_table = table.locator("tr[data-language=de] td").nth(1).inner_text()
    shown = link.locator(".number").inner_text()
    assert shown != whole.split()[0]
    assert shown in in_table
    assert link.locator(".interval").inner_text() in in_table
    assert "n=200" in link.locator(".rests-on").inner_text()
    assert "in de: " in str(link.get_attribute("aria-label"))
    page.get_by_label("Language").select_option("all")
    assert link.inner_text() == whole
    assert _rows(table) == ["en", "de", "sw", "all", "zero-shot", "gap"]


def test_a_cell_opens_its_runs_with_spec_and_manifest(page: "Page", store: Store) -> None:
    link = _cell(page, "mnli", "xnli")
    link.click()
    dialog = page.get_by_role("dialog")
    assert dialog.get_by_role("heading", level=2).inner_text() == "toy-encoder: mnli -> xnli"
    assert "leak: its answers were seen" in dialog.inner_text()
    runs = dialog.locator(".run")
    roles = [text.split(",")[0] for text in runs.all_inner_texts()]
    assert roles == 3 * ["evaluation"] + 6 * ["target training"] + 3 * ["mnli"]
    runs.first.locator("summary").click()
    runs.first.locator("pre").first.wait_for()
    spec, manifest = (json.loads(text) for text in runs.first.locator("pre").all_inner_texts())
    stored = store.manifest(manifest["key"])
    assert stored is not None
    assert {**manifest, "spec": spec} == json.loads(stored.model_dump_json(exclude={"files_dropped"}))
    page.keyboard.press("Escape")
    assert dialog.count() == 0
    assert link.evaluate("link => link === document.activeElement"), "the reader is where he was"


def test_missing_and_leaking_cells_are_marked(page: "Page") -> None:
    assert page.locator(".grid .gone").inner_text().split()[0] == "missing"
    assert page.locator(".grid .leak").all_inner_texts() == ["leak"]
    page.locator(".grid .gone a").click()
    assert "train-0123 failed: out of memory" in page.get_by_role("dialog").inner_text()


def test_the_theme_is_the_system_s_until_another_is_chosen(browser: "Browser", report: Path) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto(report.as_uri())
    dark = _background(page)
    page.get_by_label("Theme").select_option("light")
    assert _background(page) == "rgb(255, 255, 255)" != dark
    page.reload()
    assert _background(page) == "rgb(255, 255, 255)", "the choice is remembered"
    page.get_by_label("Theme").select_option("system")
    assert _background(page) == dark
    page.emulate_media(media="print")
    assert _background(page) == "rgb(255, 255, 255)", "paper is light"
    assert not page.locator(".top").is_visible()
    page.close()


def test_the_keyboard_alone_sorts_and_opens(page: "Page") -> None:
    header = page.locator(".grid").get_by_role("columnheader", name="xnli")
    header.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "descending"
    _cell(page, "mnli", "xnli").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.locator("summary").first.focus()
    page.keyboard.press("Enter")
    dialog.locator("pre").first.wait_for()
    dialog.get_by_role("button", name="Close").press("Enter")
    assert dialog.count() == 0


def test_no_part_of_the_page_is_wider_than_a_phone(browser: "Browser", report: Path) -> None:
    page = browser.new_page(viewport=PHONE)
    page.goto(report.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    _cell(page, "mnli", "xnli").click()
    page.get_by_role("dialog").locator("summary").first.click()
    page.locator("pre").first.wait_for()
    box = page.get_by_role("dialog").bounding_box()
    assert box is not None
    assert 0 <= box["x"] <= box["x"] + box["width"] <= PHONE["width"]
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.close()


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious(browser: "Browser", report: Path, theme: str, viewport: dict[str, int]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = browser.new_page(viewport=viewport)
    page.goto(report.as_uri())
    page.get_by_label("Theme").select_option(theme)
    assert _serious(axe.run(page).response) == []
    _cell(page, "mnli", "xnli").click()
    page.get_by_role("dialog").locator("summary").first.click()
    page.locator("pre").first.wait_for()
    assert _serious(axe.run(page).response) == []
    page.close()


def _serious(response: dict[str, list[dict[str, object]]]) -> list[str]:
    return [f"{found['id']}: {found['nodes']}" for found in response["violations"] if found["impact"] in ("serious", "critical")]


def test_without_scripts_the_page_reads_as_well(browser: "Browser", report: Path) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(report.as_uri())
    assert not page.locator("#controls").is_visible()
    _cell(page, "mnli", "xnli").click()
    assert page.url.endswith(f"#{page.locator('#rests tr', has_text='mnli -> xnli').get_attribute('id')}")
    page.close()
