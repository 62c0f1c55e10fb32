"""Every `polystilts` command of README and docs is run as it stands, page after page, beside a small study that bears their names."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sweeps.cli import app
from tests.sweeps.toy_benchmark import write_data
from tests.test_docs import DOCUMENTS, ROOT, commands

STUDY = """
name: mine
models:
  toy:
    family: xlm_roberta
    random:
      {hidden_size: 16, num_layers: 1, num_heads: 2, intermediate_size: 16, vocabulary_size: 120, max_positions: 80, tokenizer_text: [text]}
intermediates: [copa, squad1, panx, udpos]
targets: [pawsx, tatoeba]
intermediate_training: {steps: 30, max_length: 60, num_evals: 1, batch_size: 4}
target_training: {steps: 30, max_length: 60, num_evals: 1, batch_size: 4}
search: {trials: 1, replicates: 2}
"""
OTHER_PROCESS = ("run", "resume", "select")
"""Verbs that start Ray."""
NOT_RUNNING = ("pause", "stop", "cancel")
"""Verbs for a study that runs; `tests/sweeps/test_orders.py` gives it these orders."""
ELSEWHERE = ("submit",)
"""Needs a cluster: `tests/sweeps/test_submit.py` has one."""
PLACEHOLDERS = {
    "STUDY": "my_study.yaml",
    "with_rte.yaml": "my_study.yaml",
    "sweeps/studies/pocket_select.yaml": "my_study.yaml",  # it takes minutes
    "xtreme|xtreme-r": "xtreme",
    "<model>": "toy",
}
"""What stands for something of the reader's; a folder's is that of the page's own example."""

pytestmark = pytest.mark.slow


def given(words: list[str]) -> list[str]:
    """A command with the names of what is there; options in brackets are given."""
    text = " ".join(words).replace("[", "").replace("]", "")
    for name, stands_for in PLACEHOLDERS.items():
        text = text.replace(name, stands_for)
    if words[0] == "logs":
        text = text.replace("STAGE", next(Path("runs/store/manifests").glob("train-*.json")).stem)
    if words[0] == "score":
        text = text.replace("DIR/toy/<intermediate>/seed-0", "exported/toy/copa/seed-0").replace("LABELS/", "gold/")
        text = text.replace("--predictions DIR", "--predictions exported/toy/copa/seed-0").replace("--labels DIR", "--labels gold/xtreme")
    text = text.replace("--home DIR", "--home runs").replace("--data DIR", "--data data")
    if words[0] == "export":  # into new folders
        for name in ("exported", "gold"):
            shutil.rmtree(name, ignore_errors=True)
    return text.replace("--out DIR", "--out exported").replace("LABELS", "gold").split()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where the reader works, and what is there by the time a command is given."""
    write_data(tmp_path / "data")
    (tmp_path / "other.yaml").write_text(STUDY.replace("name: mine", "name: other\nseed: 7"))
    (tmp_path / "prices.yaml").write_text("H100: 3.5\n")
    shutil.copy(ROOT / "cluster.yaml", tmp_path)
    (tmp_path / "sweeps").symlink_to(ROOT / "sweeps")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POLYSTILTS_DATA", "data")
    return tmp_path


def run(words: list[str]) -> tuple[int, str]:
    """In this process, which is sooner, but for what starts Ray."""
    if words[0] in OTHER_PROCESS:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run([sys.executable, "-m", "sweeps.cli", *words], capture_output=True, text=True, check=False, env=environment)
        return done.returncode, done.stdout + done.stderr
    found = CliRunner().invoke(app, words, input="\n\n\n")
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found.exit_code, found.output


def test_every_command_runs(place, monkeypatch):
    for document in DOCUMENTS:
        for program, *words in commands(document):
            if program != "polystilts" or words[0] in ELSEWHERE:
                continue
            study = place / "my_study.yaml"
            if words[0] == "init":
                study.unlink(missing_ok=True)
            command = given(words)
            is_shipped = any(word.startswith("sweeps/studies") for word in command)
            monkeypatch.setenv("POLYSTILTS_DATA", "" if is_shipped else "data")
            code, said = run(command)
            if words[0] in NOT_RUNNING:
                assert (code, "is not being run" in said) == (2, True), (document.name, words, said)
            else:
                assert code == 0, (document.name, words, said)
            if words[0] == "select":
                assert "the whole study is in the store" in said
            if words[0] == "init":
                study.write_text(STUDY)  # the reader's own is for the hub
    assert json.loads(run(["status", "my_study.yaml", "--json"])[1])["state"]
