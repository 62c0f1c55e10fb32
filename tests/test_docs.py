"""What the documents say is so: their code runs, their studies are valid, their commands and links exist."""

import importlib
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command
from typer.testing import CliRunner

import trainables.tasks
from sweeps.cli import app
from sweeps.estimate import count
from sweeps.opened import open_study
from sweeps.study import Study
from trainables.data import load_examples, read_examples
from trainables.origins import data_source
from trainables.specs import DataSpec
from trainables.task import TASKS, Task

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NEW_TASK = ROOT / "docs" / "add_a_task.md"
SOURCES = [path for folder in ("sweeps", "trainables", "search_spaces", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))]
VERBS: Any = get_command(app)


def blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", document.read_text(), re.DOTALL)


def commands(document: Path) -> list[list[str]]:
    """The words of the commands of a page, which are indented, without comments."""
    return [
        line.split("#")[0].split()
        for line in re.findall(r"^    ((?:polystilts|python|pytest|make) .*)$", document.read_text(), re.MULTILINE)
    ]


def write_data(folder: Path) -> Path:
    """RTE and MultiNLI's dev file, as long as the page's slices need."""
    for name, num in (("train", 2490), ("dev", 5)):
        path = folder / f"rte/RTE/{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [f"{place}\tText {place}.\tHypothesis {name} {place}.\t{'not_' * (place % 2)}entailment" for place in range(num)]
        path.write_text("\n".join(["index\tsentence1\tsentence2\tlabel", *rows]) + "\n")
    (folder / "mnli").mkdir()
    pairs = ({"premise": f"a {place}", "hypothesis": f"b {place}", "label": "neutral"} for place in range(9100))
    (folder / "mnli/dev_matched.unified.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    return folder


def python(*words: str, cwd: Path) -> str:
    done = subprocess.run([sys.executable, *words], cwd=cwd, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(document):
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        assert target.startswith("https://") or (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_named_in_documents_exist(document):
    for name in re.findall(r"`((?:sweeps|trainables|search_spaces|tests|docs|benchmarks)/[\w./]+)`", document.read_text()):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("document", [*DOCUMENTS, *SOURCES], ids=lambda path: str(path.relative_to(ROOT)))
def test_names_of_modules_and_what_is_in_them_exist(document):
    for name in re.findall(r"`((?:trainables|sweeps|search_spaces)(?:\.\w+)+)`", document.read_text()):
        module, _, attribute = name.rpartition(".")
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            assert hasattr(importlib.import_module(module), attribute), name


def test_the_documents_are_a_site_without_a_broken_link(tmp_path):
    """Every page is in its menu."""
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
    menu = [page for entry in yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"] for page in entry.values()]
    assert sorted(menu) == sorted(path.name for path in (ROOT / "docs").glob("*.md"))
    assert all((tmp_path / page).with_suffix(".html").exists() for page in menu)


def test_the_study_in_the_readme_can_be_planned(tmp_path):
    (study,) = blocks(ROOT / "README.md", "yaml")
    path = tmp_path / "my_study.yaml"
    path.write_text(study)
    counts = count(open_study(path, tmp_path / "runs", None))
    assert counts.searches == 4 * 4, "five targets, one of them retrieval, for four rows"


def test_the_page_of_the_study_file_names_every_field():
    table = re.findall(r"^\| (.*?) \|", (ROOT / "docs" / "study.md").read_text(), re.MULTILINE)
    named = [name for cell in table for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(named) == sorted(Study.model_fields)


def test_the_mixtures_and_axes_of_the_study_file_s_page_can_be_planned(tmp_path):
    intermediates, synthetic, axes = blocks(ROOT / "docs" / "study.md", "yaml")
    path = tmp_path / "page.yaml"
    rest = "name: page\nmodels:\n  xlmr: {family: xlm_roberta, hub: FacebookAI/xlm-roberta-base}\ntargets: [xnli]\n"
    path.write_text(rest + synthetic)
    assert count(open_study(path, tmp_path / "runs", None)).searches == 5
    path.write_text(rest + intermediates)
    assert count(open_study(path, tmp_path / "runs", None)).searches == 3
    path.write_text(rest + intermediates + axes)
    assert count(open_study(path, tmp_path / "runs", None)).searches == 2 * 3 * 3 + 2, "the baseline is trained as in base or both-top"


def test_every_verb_in_the_readme_exists():
    verbs = {words[1] for words in commands(ROOT / "README.md") if words[0] == "polystilts"}
    assert verbs == set(VERBS.commands)
    for verb in verbs:
        assert CliRunner().invoke(app, [verb, "--help"]).exit_code == 0


@pytest.mark.parametrize("document", [*DOCUMENTS, *SOURCES], ids=lambda path: str(path.relative_to(ROOT)))
def test_verbs_that_are_named_exist(document):
    for verb in re.findall(r"`polystilts (\w[\w-]*)", document.read_text()):
        assert verb in VERBS.commands, verb


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_have_the_options_that_are_given(document):
    for program, *words in commands(document):
        options = {re.sub(r"\W+$", "", word.strip("[]")) for word in words if word.strip("[]").startswith("--")}
        if program == "polystilts":
            verb = VERBS.commands[words[0]]
            verb = verb.commands[words[1]] if hasattr(verb, "commands") else verb
            assert options <= {option for parameter in verb.params for option in parameter.opts}
        if program == "make":
            assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), words[0]


@pytest.mark.parametrize(
    "words",
    [
        ["plan"],
        ["plan", "no_such_study.yaml"],
        ["plan", "{readme}", "--data", "no_such_folder"],
        ["plan", "{readme}", "--home", "{file}"],
        ["export", "{readme}", "--out", "{file}"],
        ["score", "--predictions", "no_such_folder", "--labels", ".", "--benchmark", "xtreme"],
        ["score", "--predictions", "{folder}", "--labels", "{folder}", "--benchmark", "xtreme"],
    ],
    ids=" ".join,
)
def test_what_is_given_wrongly_ends_with_2(words, tmp_path):
    (tmp_path / "readme.yaml").write_text(blocks(ROOT / "README.md", "yaml")[0])
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    given = [word.format(readme=tmp_path / "readme.yaml", file=tmp_path / "file", folder=tmp_path / "folder") for word in words]
    if words[0] in ("plan", "export") and "--home" not in given and len(words) > 1:
        given += ["--home", str(tmp_path / "runs")]
    assert CliRunner().invoke(app, given).exit_code == 2


def test_the_task_of_the_page_is_a_task_that_reads(tmp_path):
    (tmp_path / "rte.py").write_text(blocks(NEW_TASK, "python")[0])
    task = runpy.run_path(str(tmp_path / "rte.py"))["TASK"]
    assert isinstance(task, Task)
    data = write_data(tmp_path / "data")
    spec = DataSpec(task="rte", task_version=1, split="dev", language="en", num_examples=None, source=data_source("rte", "dev", "en", data))
    examples = read_examples(task, spec, data).examples
    assert len(examples) == 5
    assert examples == load_examples(spec, data).examples


def test_sentences_of_one_s_own_are_a_task_and_a_study(tmp_path, monkeypatch):
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks/mood.py").write_text(blocks(NEW_TASK, "python")[2])
    monkeypatch.setattr(trainables.tasks, "__path__", [*trainables.tasks.__path__, str(tmp_path / "tasks")])
    monkeypatch.setattr(TASKS, "names", (*TASKS.names, "mood"))
    folder = tmp_path / "data/mood"
    folder.mkdir(parents=True)
    for name in ("train.en", "dev.en", "test.en", "test.de", "test.fr"):
        (folder / f"{name}.tsv").write_text("".join(f"{label}\tIt is day {day}.\n" for day in range(4) for label in ("sad", "glad")))
    (tmp_path / "moods.yaml").write_text(blocks(NEW_TASK, "yaml")[1])
    given = [str(tmp_path / "moods.yaml"), "--home", str(tmp_path / "runs"), "--data", str(tmp_path / "data")]
    for verb in ("validate", "plan"):
        done = CliRunner().invoke(app, [verb, *given])
        assert done.exit_code == 0, done.output


def test_the_page_s_way_to_look_at_examples_prints_them(tmp_path):
    write_data(tmp_path / "data")
    (tmp_path / "look.py").write_text(blocks(NEW_TASK, "python")[1])
    printed = python("look.py", cwd=tmp_path)
    assert printed.count("Text(id=") == 3
    assert "Hypothesis dev 2." in printed


def test_the_space_of_the_page_is_the_one_that_is_there():
    (space,) = blocks(ROOT / "docs" / "extend.md", "python")
    assert space == (ROOT / "search_spaces" / "learning_rate_and_batch.py").read_text()


def test_the_readers_of_the_page_are_where_it_says():
    rows = re.findall(r"^\|[^|]*\|([^|]*)\| `([\w/]+)\.py` \|$", NEW_TASK.read_text(), re.MULTILINE)
    found = {(module, name) for names, module in rows for name in re.findall(r"`(\w+)`", names)}
    assert len(found) >= 10
    for module, name in found:
        assert callable(getattr(importlib.import_module(module.replace("/", ".")), name)), name


def test_the_page_s_study_can_be_planned(tmp_path):
    (tmp_path / "with_rte.yaml").write_text(blocks(NEW_TASK, "yaml")[0])
    (words,) = (words for words in commands(NEW_TASK) if words[0] == "polystilts")
    assert words == ["polystilts", "plan", "with_rte.yaml", "--data", "data"]
    write_data(tmp_path / "data")
    assert "2 searches" in python("-m", "sweeps.cli", *words[1:], cwd=tmp_path)


def test_the_tests_that_the_page_names_are_there():
    ((_, *words),) = (words for words in commands(NEW_TASK) if words[0] == "pytest")
    listed = python("-m", "pytest", "--collect-only", *words, cwd=ROOT)
    assert listed.count("[rte") >= 2, "the contract of every task and the published format"


def test_the_modules_that_documents_run_run(tmp_path):
    folder = write_data(tmp_path / "data")
    for document in DOCUMENTS:
        for words in commands(document):
            if words[:2] == ["python", "-m"]:
                assert words[3:5] == ["--data", "DIR"], words
                assert "rte" in python("-m", words[2], "--data", str(folder), cwd=tmp_path)
