"""MLflow dies, answers with errors, is slow or absent: the sweep does not notice, and afterwards everything is there."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from sweeps.run import CLOSE_TRACKER_S
from tests.faults.chaos import STUDY, Toll, Watch, copy_home
from tests.faults.mlflow_server import Proxy, Server
from tests.faults.postgres import postgres
from tests.sweeps.processes import MARK, command, driver, environment, left_running, manifests, mlflow_runs, polystilts, results

TOLD_AT = {"mlflow.parentRunId", "mlflow.user", "mlflow.source.name", "mlflow.source.type", "mlflow.runName"}
"""Tags that hold ids, or are MLflow's own."""

AT_ONCE_S = 15.0
"""From the report to the end of a driver that nobody at MLflow's address answers."""

pytestmark = pytest.mark.chaos


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()


def shown(runs: list[Run], client: MlflowClient) -> dict[str, object]:
    """All that a reader sees of each run but when it was told: its parent, status, parameters, tags, and every metric's history."""
    keys = {run.info.run_id: run.data.tags["stage_key"] for run in runs}
    assert len(set(keys.values())) == len(runs), "a run is there twice"
    return {
        run.data.tags["stage_key"]: (
            keys.get(run.data.tags.get("mlflow.parentRunId", "")),
            run.info.run_name,
            run.info.status,
            dict(run.data.params),
            {name: value for name, value in run.data.tags.items() if name not in TOLD_AT},
            {name: [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)] for name in run.data.metrics},
        )
        for run in runs
    }


def at(home: Path) -> dict[str, object]:
    return shown(mlflow_runs(home, "faulty"), MlflowClient(f"sqlite:///{home / 'mlflow.db'}"))


def served(uri: str) -> dict[str, object]:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("faulty")
    assert experiment is not None
    return shown(list(client.search_runs([experiment.experiment_id])), client)


def sync(home: Path, *words: str, uri: str | None = None) -> subprocess.CompletedProcess[str]:
    words = ("sync", str(STUDY), "--home", str(home), *words)
    variables = {"MLFLOW_TRACKING_URI": uri} if uri else {}
    return subprocess.run([*command(STUDY, home)[:3], *words], capture_output=True, text=True, check=False, env=environment(**variables))


def test_sync_makes_mlflow_again_from_the_store_alone(undisturbed: Path, tmp_path: Path) -> None:
    home = copy_home(undisturbed, tmp_path)
    (home / "mlflow.db").unlink()
    words = (str(STUDY), "--home", str(home))
    assert "has the 17 stages that are in the store" in polystilts("sync", *words)
    assert at(home) == at(undisturbed)
    ids = {run.info.run_id for run in mlflow_runs(home, "faulty")}
    assert "has the 17 stages" in polystilts("sync", *words)
    assert at(home) == at(undisturbed)
    assert {run.info.run_id for run in mlflow_runs(home, "faulty")} == ids


def test_of_an_unfinished_study_sync_shows_what_there_is(undisturbed: Path, tmp_path: Path) -> None:
    home = copy_home(undisturbed, tmp_path)
    for path in (home / "mlflow.db", *(home / "store" / "manifests").glob("evaluate-*")):
        path.unlink()
    assert sync(home).returncode == 0
    found = at(home)
    assert {key for key in found if key.startswith("train-")} == {key for key in at(undisturbed) if key.startswith("train-")}
    assert {found[key][2] for key in found if key.startswith("study-")} == {"KILLED"}, "nobody is at work on it"


def test_a_server_that_takes_no_local_folder_says_so_where_the_model_would_be(undisturbed: Path, server: Server, tmp_path: Path) -> None:
    home = copy_home(undisturbed, tmp_path)
    for _ in range(2):
        told = sync(home, uri=server.uri)
        assert told.returncode == 0, told.stderr
    assert not (home / "spool" / "faulty.jsonl").exists(), "what is refused is not asked for again"
    models = MlflowClient(server.uri).search_registered_models()
    assert models
    for model in models:
        assert "MLflow takes no version from file:///" in model.description
        assert not MlflowClient(server.uri).search_model_versions(f"name = '{model.name}'")


def test_a_server_that_dies_in_the_middle_holds_nothing_up(undisturbed: Path, server: Server, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with subprocess.Popen(
        command(STUDY, home), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment(MLFLOW_TRACKING_URI=server.uri)
    ) as sweep:
        while sweep.poll() is None and len(manifests(home)) < 5:
            time.sleep(0.05)
        server.kill()
        printed = sweep.communicate()[0]
    assert sweep.returncode == 0, printed
    assert "the study goes on" in printed
    assert results(home, "faulty") == results(undisturbed, "faulty")
    refused = sync(home, uri=server.uri)
    assert refused.returncode == 1
    assert "give the same command again" in refused.stderr
    assert "Traceback" not in refused.stderr
    server.start()
    assert sync(home, uri=server.uri).returncode == 0
    assert parameters(served(server.uri)) == parameters(at(undisturbed))
    assert not (home / "spool" / "faulty.jsonl").exists()
    assert not left_running(home)


def test_a_server_that_is_absent_for_a_whole_run_gets_everything_from_sync(undisturbed: Path, tmp_path: Path) -> None:
    home, server = tmp_path / "home", Server(tmp_path)
    began = time.monotonic()
    absent = driver(STUDY, home, MLFLOW_TRACKING_URI=server.uri)
    took_s = time.monotonic() - began
    assert absent.returncode == 0, absent.stdout + absent.stderr
    ended_s = max(path.stat().st_mtime for path in (home / "reports" / "faulty").iterdir())
    print(f"{took_s:.1f} s; {time.time() - ended_s:.1f} s after the report")
    assert time.time() - ended_s < AT_ONCE_S
    (line,) = [line for line in absent.stderr.splitlines() if "polystilts sync" in line]
    assert line == f"polystilts: MLflow at {server.uri} could not be told all; when it answers: polystilts sync {STUDY} --home {home}"
    assert "Traceback" not in absent.stdout + absent.stderr
    assert results(home, "faulty") == results(undisturbed, "faulty")
    spool = home / "spool" / "faulty.jsonl"
    assert is_each_once(spool)
    waiting = []
    for _ in range(2):
        assert sync(home, uri=server.uri).returncode == 1
        waiting.append(spool.read_bytes())
    assert is_each_once(spool)
    assert waiting[0] == waiting[1]
    server.start()
    try:
        assert sync(home, uri=server.uri).returncode == 0
        assert parameters(served(server.uri)) == parameters(at(undisturbed))
        assert Watch(home).toll(STUDY, undisturbed, server.uri) == Toll()
    finally:
        server.kill()
    assert not spool.exists()


def is_each_once(spool: Path) -> bool:
    lines = [line for line in spool.read_text().splitlines() if line]
    return len(lines) == len(set(lines)) > 0


def parameters(found: dict[str, object]) -> dict[str, object]:
    """What does not hold a time: where a run is, how it ended, what it was given."""
    return {key: run[:4] for key, run in found.items()}  # type: ignore[index]


def test_a_server_that_answers_with_errors_or_is_slow_holds_nothing_up(undisturbed: Path, server: Server, tmp_path: Path) -> None:
    home = copy_home(undisturbed, tmp_path)
    (home / "mlflow.db").unlink()
    proxy = Proxy(server)
    proxy.status = 500
    failing = driver(STUDY, home, MLFLOW_TRACKING_URI=proxy.uri)
    assert failing.returncode == 0, failing.stdout + failing.stderr
    assert proxy.num_requests > 0
    assert "the study goes on" in failing.stderr

    proxy.status, proxy.delay_s = None, 5.0
    began = time.monotonic()
    slow = driver(STUDY, home, MLFLOW_TRACKING_URI=proxy.uri)
    assert slow.returncode == 0, slow.stdout + slow.stderr
    assert time.monotonic() - began < 2 * CLOSE_TRACKER_S
    assert results(home, "faulty") == results(undisturbed, "faulty")

    proxy.delay_s = 0.0
    again = sync(home, uri=proxy.uri)
    assert again.returncode == 0, again.stderr
    assert served(server.uri) == at(undisturbed)
    proxy.shutdown()
    proxy.server_close()


def test_a_database_that_is_restarted_under_the_server_holds_nothing_up(undisturbed: Path, tmp_path: Path) -> None:
    home, said = tmp_path / "home", tmp_path / "said"
    with postgres() as database:
        server = Server(tmp_path, database.uri)
        server.start()
        try:
            variables = environment(**{"MLFLOW_TRACKING_URI": server.uri, MARK: str(home)})
            with said.open("w") as file, subprocess.Popen(command(STUDY, home), stdout=file, stderr=file, env=variables) as sweep:
                while sweep.poll() is None and len(manifests(home)) < 2:
                    time.sleep(0.05)
                database.stop()
                while sweep.poll() is None and "the study goes on" not in said.read_text():
                    time.sleep(0.05)
                assert sweep.poll() is None, "it was told while it ran"
                database.start()
            assert sweep.returncode == 0, said.read_text()
            assert Watch(home).toll(STUDY, undisturbed, server.uri) == Toll(), said.read_text()
            assert not (home / "spool" / "faulty.jsonl").exists()
            assert list((tmp_path / "served").rglob("report.html")), "the report went through the server"
        finally:
            server.kill()
