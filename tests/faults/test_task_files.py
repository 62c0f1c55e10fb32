"""A task's own file has a bug: one line that names its line, before anything runs; in a worker alone, a stage that failed once."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sweeps.processes import environment, failed_logs, manifests

ROOT = Path(__file__).parents[2]
STUDY = """
name: buggy
source_language: qaa
models: {{pocket: {{family: xlm_roberta, folder: {encoder}}}}}
intermediates: {{{intermediate}}}
targets: {{{target}}}
intermediate_training: {{steps: 4, max_length: 64, num_evals: 1}}
target_training: {{steps: 4, max_length: 64, num_evals: 1}}
search: {{space: pocket, trials: 1, replicates: 2}}
"""
BEGINS = """\"\"\"A task that a newcomer wrote.\"\"\"

import dataclasses
import sys

from trainables.examples import Line, Text
from trainables.formats import jsonl_rows
from trainables.task import FileSource, Task
from trainables.tasks.pocket_rank_class import TASK as POCKET


"""
READS = """def read(paths, _language):
    for where, row in jsonl_rows(paths[0]):
        yield {made}


TASK = Task(
    version=1, kind="classification", languages=("qaa",), source_language="qaa", labels=("a", "b"), metrics=("accuracy",),
    files=(FileSource(paths={{split: ("planted.jsonl",) for split in ("train", "dev", "test")}}, read=read),),
)
"""
MAKES = """def generate(split, language):
    if sys.argv[0].endswith("{in_process}"):
        raise KeyError("planted")
    yield from POCKET.generate(split, language)


TASK = dataclasses.replace(POCKET, generate=generate)
"""
FIRST_LINE = BEGINS.count("\n") + 1


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project that a newcomer adds a task to."""
    for name in ("sweeps", "trainables", "search_spaces"):
        shutil.copytree(ROOT / name, tmp_path / "project" / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "planted.jsonl").write_text("".join(f"{json.dumps({'text': f'word {place}', 'label': 'a'})}\n" for place in range(40)))
    return tmp_path / "project"


def polystilts(project: Path, verb: str, code: str, *, is_intermediate: bool) -> subprocess.CompletedProcess[str]:
    """Runs a verb on a study of the planted task."""
    (project / "trainables" / "tasks" / "planted.py").write_text(code)
    intermediate, target = ("planted", "pocket_retrieval") if is_intermediate else ("pocket_flavour_class", "planted")
    encoder = ROOT / "trainables" / "pocket" / "encoder"
    study = project.parent / "buggy.yaml"
    names = {"intermediate": f"{intermediate}: ", "target": f"{target}: {{languages: [{'qab' if is_intermediate else 'qaa'}]}}"}
    study.write_text(STUDY.format(encoder=encoder, **names))
    words = [sys.executable, "-m", "sweeps.cli", verb, str(study), "--home", str(project.parent / "home")]
    words += ["--data", str(project.parent)] if "FileSource(" in code else []
    variables = environment(PYTHONPATH=str(project))
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=project, env=variables)


@pytest.mark.parametrize(
    ("place", "verb", "code", "line", "said"),
    [
        ("targets", "plan", READS.format(made='Text(where, row["txt"], None, "a")'), 2, "KeyError: 'txt' ({data}:1)"),
        (
            "intermediates",
            "plan",
            READS.format(made='Text(where, int(row["text"]), None, "a")'),
            2,
            "ValueError: invalid literal for int() ",
        ),
        ("targets", "plan", READS.format(made='Line(where, row["text"], None)'), None, "AssertionError: "),
        ("targets", "plan", MAKES.format(in_process="__main__.py"), 2, "KeyError: 'planted' (planted "),
        ("intermediates", "run", MAKES.format(in_process="__main__.py"), 2, "KeyError: 'planted' (planted "),
        ("intermediates", "plan", "import nowhere_to_be_found\n", 0, "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("targets", "plan", "TASK = (\n", 0, "SyntaxError: '(' was never closed"),
        ("targets", "plan", "TASK = 3\n", None, "it must define TASK, a Task"),
    ],
)
def test_a_bug_that_planning_meets_is_one_line(project: Path, place: str, verb: str, code: str, line: int | None, said: str) -> None:
    done = polystilts(project, verb, BEGINS + code, is_intermediate=place == "intermediates")
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert f"{place}.planted" in done.stderr
    where = "planted.py: " if line is None else f"planted.py:{FIRST_LINE + line}: "
    assert f"{project / 'trainables' / 'tasks'}/{where}{said.format(data=project.parent / 'planted.jsonl')}" in done.stderr
    assert manifests(project.parent / "home") == {}


@pytest.mark.slow
def test_a_bug_that_only_a_worker_meets_is_a_stage_that_failed_once(project: Path) -> None:
    done = polystilts(project, "run", BEGINS + MAKES.format(in_process="default_worker.py"), is_intermediate=True)
    home = project.parent / "home"
    assert done.returncode == 1, done.stdout + done.stderr
    failed = [line for line in done.stdout.splitlines() if line.startswith("failed: ")]
    assert len(failed) == 1
    assert f"planted.py:{FIRST_LINE + 2}: KeyError: 'planted'" in done.stdout.replace("\n", "")
    assert "Traceback" not in done.stdout + done.stderr
    (log,) = failed_logs(home)
    assert 'raise KeyError("planted")' in log
    assert not (home / "retries").exists(), "nothing was tried again"
    kinds = [key.split("-")[0] for key in manifests(home)]
    assert kinds == ["evaluate"], "the baseline, which has nothing to do with it"
