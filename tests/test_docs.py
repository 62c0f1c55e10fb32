"""What the documents say is so: their studies are valid, their links lead somewhere, their commands exist."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sweeps.cli import app
from sweeps.run import count, open_study

ROOT = Path(__file__).parents[1]
NEW_TASK = "trainables/tasks/rte.py"
"""The file that docs/add_a_task.md has its reader write."""
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(document):
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        assert target.startswith("https://") or (document.parent / target).exists(), target


def test_the_study_in_the_readme_can_be_planned(tmp_path):
    (study,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    path = tmp_path / "my_study.yaml"
    path.write_text(study)
    counts = count(open_study(path, tmp_path / "runs", None))
    assert counts.searches == 4 * 4, "five targets, one of them retrieval, for four rows"


def test_every_verb_in_the_readme_exists():
    verbs = set(re.findall(r"^    polystilts (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert verbs == {"plan", "run", "status", "report", "export", "score"}
    for verb in verbs:
        assert CliRunner().invoke(app, [verb, "--help"]).exit_code == 0


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_named_in_documents_exist(document):
    for name in re.findall(r"`((?:sweeps|trainables|search_spaces|tests|docs|benchmarks)/[\w./]+)`", document.read_text()):
        assert name == NEW_TASK or (ROOT / name).exists(), name
