"""What docs/analysis.md shows runs, on a study like the demo but smaller."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sweeps.processes import environment, run

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "analysis.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
STUDY = """
name: demo
source_language: qaa
models: {pocket: {family: xlm_roberta, folder: ENCODER}}
intermediates: {pocket_colour_class: {training: {steps: 5}}}
targets:
  pocket_flavour_class: {languages: [qaa, qab]}
  pocket_flavour_qa: {languages: [qaa]}
intermediate_training: {max_length: 64, num_evals: 1}
target_training: {steps: 5, max_length: 64, num_evals: 1}
search: {space: pocket, trials: 1, replicates: 2}
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the page's relative paths lead to something."""
    folder = tmp_path_factory.mktemp("analysis")
    study = folder / "sweeps" / "studies" / "demo.yaml"
    study.parent.mkdir(parents=True)
    study.write_text(STUDY.replace("ENCODER", str(ROOT / "trainables" / "pocket" / "encoder")))
    run(study, folder / "runs")
    return folder


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_a_snippet_runs_and_prints_something(number: int, folder: Path) -> None:
    (folder / "snippet.py").write_text(SNIPPETS[number])
    (uri,) = re.findall(r"^    export MLFLOW_TRACKING_URI=(\S+)", PAGE, re.MULTILINE)
    variables = environment(MLFLOW_TRACKING_URI=uri, PYTHONPATH=os.pathsep.join([str(ROOT), *sys.path]))
    done = subprocess.run([sys.executable, "snippet.py"], cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert "Empty DataFrame" not in done.stdout
    assert not re.search(r"^0 runs", done.stdout, re.MULTILINE)


@pytest.mark.skipif(importlib.util.find_spec("duckdb") is None, reason="duckdb is no dependency")
def test_the_query_of_duckdb_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import duckdb  # which may not be there

    monkeypatch.chdir(folder)
    (query,) = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    assert len(duckdb.sql(query).fetchall()) == 2 * 2
