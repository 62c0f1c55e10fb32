"""A study is handed to the job server of a real Ray head: once, however often the command is given; and what travels with it is enough."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
import zipfile
from pathlib import Path

import psutil
import pytest

from sweeps.study import StudyError
from sweeps.study_file import load_study
from sweeps.submit import MAX_PACKAGE_BYTES, package_of, write_package
from tests.ports import free_ports
from tests.sweeps.processes import environment, manifests, mlflow_runs

ROOT = Path(__file__).parents[2]
ENCODER = ROOT / "trainables" / "pocket" / "encoder"
TOKEN = "5eed" * 16
STUDY = """
name: handed_over
source_language: qaa
models:
  pocket: {family: xlm_roberta, folder: ../encoders/pocket}
targets:
  pocket_retrieval: {test: "test[:50]", languages: [qab]}
target_training: {max_length: 64}
"""


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    """The URL of a Ray head of its own, with authentication on, as the shipped cluster files start it."""
    folder = tmp_path_factory.mktemp("head")
    port, dashboard, client, agent = free_ports(4)
    words = [
        *("ray", "start", "--head", "--block", "--disable-usage-stats", "--num-cpus=2", "--num-gpus=0"),
        "--resources",
        '{"driver_slot": 4}',
    ]
    words += [f"--port={port}", "--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}", "--node-ip-address=127.0.0.1"]
    # Sockets have short names, so that the folder cannot be pytest's.
    short = Path("/tmp") / f"polystilts-head-{os.getpid()}"
    words += [f"--temp-dir={short}", f"--ray-client-server-port={client}", f"--dashboard-agent-listen-port={agent}"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with open(folder / "head.txt", "w") as log:
        started = subprocess.Popen(words, env=_environment() | {"PATH": path, "PYTHONPATH": str(ROOT)}, stdout=log, stderr=log)
    _wait_for(f"http://127.0.0.1:{dashboard}/api/version", started, folder / "head.txt")
    yield f"http://127.0.0.1:{dashboard}"
    family = [started, *psutil.Process(started.pid).children(recursive=True)]
    started.send_signal(signal.SIGTERM)
    _, alive = psutil.wait_procs([psutil.Process(each.pid) for each in family if psutil.pid_exists(each.pid)], timeout=30)
    for process in alive:
        process.kill()
    shutil.rmtree(short, ignore_errors=True)


@pytest.fixture
def study(tmp_path):
    """A study that names an encoder beside its own folder."""
    shutil.copytree(ENCODER, tmp_path / "encoders" / "pocket")
    (tmp_path / "studies").mkdir()
    path = tmp_path / "studies" / "handed_over.yaml"
    path.write_text(STUDY)
    return path


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(asked, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text())


def _environment(token: str = TOKEN) -> dict[str, str]:
    return environment() | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}


def submit(study: Path, address: str, home: Path | str, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "sweeps.cli", "submit", str(study), "--address", address, "--home", str(home), *options]
    return subprocess.run(words, capture_output=True, text=True, check=False, env=_environment() | variables, timeout=120)


@pytest.mark.slow
def test_submitting_twice_joins_and_what_is_finished_is_answered_from_the_store(head, study, tmp_path):
    home = tmp_path / "home"
    store = ("--store", str(home / "store"))
    begun = submit(study, head, home, *store, "--no-wait")
    assert begun.returncode == 0, begun.stdout + begun.stderr
    (job,) = re.findall(r"^handed_over: submitted job (handed_over-[0-9a-f]{12}-1)$", begun.stdout, re.MULTILINE)
    # Ray's own variable names another cluster, and is not obeyed beside an address.
    joined = submit(study, head, home, *store, RAY_ADDRESS="http://127.0.0.1:9")
    assert joined.returncode == 0, joined.stdout + joined.stderr
    assert f"handed_over: joined the running job {job}\n" in joined.stdout
    assert "report:  " in joined.stdout, "what the study prints is followed to its end"
    before = manifests(home)
    assert before
    again = submit(study, head, home, *store)
    assert again.returncode == 0, again.stdout + again.stderr
    assert f"handed_over: submitted job {job[:-1]}2\n" in again.stdout
    assert "Nothing to train: every stage of this study is in the store." in again.stdout
    assert manifests(home) == before
    assert len({run.data.tags["stage_key"] for run in mlflow_runs(home, "handed_over")}) == len(mlflow_runs(home, "handed_over"))


@pytest.mark.slow
def test_the_exit_code_is_the_job_s(head, study, tmp_path):
    (tmp_path / "file").write_text("mine")
    failed = submit(study, head, tmp_path / "file" / "home")
    assert failed.returncode == 2
    assert "give a folder that can be written to" in failed.stdout
    assert re.search(r"^job handed_over-\w+-1 FAILED: ", failed.stdout, re.MULTILINE)


@pytest.mark.slow
def test_limits_travel_with_a_study_and_are_no_part_of_its_name(head, study, tmp_path):
    prices = tmp_path / "dear.yaml"
    prices.write_text("processor: 1.0e+9\n")
    paused = submit(study, head, tmp_path / "home", "--max-cost", "0", "--prices", str(prices))
    assert paused.returncode == 3, paused.stdout + paused.stderr
    assert "were spent, and --max-cost is 0" in paused.stdout
    (job,) = re.findall(r"submitted job (handed_over-[0-9a-f]{12})-1$", paused.stdout, re.MULTILINE)
    prices.write_text("processor: dear\n")
    wrong = submit(study, head, tmp_path / "home", "--max-cost", "0", "--prices", str(prices))
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    ended = submit(study, head, tmp_path / "home", "--max-hours", "1")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"submitted job {job}-2\n" in ended.stdout


@pytest.mark.slow
def test_a_wrong_token_is_one_line(head, study, tmp_path):
    done = submit(study, head, tmp_path, RAY_AUTH_TOKEN="0" * 64)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"polystilts: --address {head}: the cluster asks for its token")


@pytest.mark.parametrize(
    ("address", "home", "found"),
    [
        (
            "127.0.0.1:8265",
            "/home",
            "--address 127.0.0.1:8265: is no URL; give that of the cluster's dashboard, such as http://127.0.0.1:8265",
        ),
        ("ray://127.0.0.1:10001", "/home", "--address ray://127.0.0.1:10001: is no URL"),
        ("http://127.0.0.1:1", "runs", "--home runs: is a folder of the cluster's machines; give an absolute path, and a URI as --store"),
        ("http://127.0.0.1:1", "/home", "--address http://127.0.0.1:1: nothing answers there; start the cluster"),
    ],
)
def test_what_is_given_wrongly_is_one_line(study, address, home, found):
    done = submit(study, address, home)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"polystilts: {found}")


def test_a_wrong_study_does_not_reach_the_cluster(study):
    study.write_text(STUDY.replace("pocket_retrieval", "pocket_retrievall"))
    done = submit(study, "http://127.0.0.1:1", "/home")
    assert done.returncode == 2
    assert "unknown task 'pocket_retrievall'" in done.stderr


NAMING = """
name: naming
source_language: en
models:
  one: {family: xlm_roberta, folder: ../encoders/pocket}
  two: {family: xlm_roberta, folder: ABSOLUTE}
intermediates:
  switched: {tasks: {mnli: {synthetic: {method: code_switch, dictionary: words, languages: [de]}}}}
  back: {tasks: {mnli: {synthetic: {method: back_translate, pivot: fr, folder: "to_{language}", back: "from_{language}"}}}}
  made: {tasks: {mnli: {synthetic: {method: generate, folder: writers/causal, num_examples: 8}}}}
targets: [xnli]
axes:
  more:
    there: {mixed_in: {squad2: {synthetic: {method: translate, languages: [de, sw], folder: "../models/en-{language}", codes: none}}}}
"""
FOLDERS = ("studies/words", "studies/to_fr", "studies/from_fr", "studies/writers/causal", "models/en-de", "models/en-sw", "encoders/pocket")


def test_all_folders_that_a_study_names_by_relative_paths_travel(tmp_path):
    for folder in (*FOLDERS, "elsewhere", "studies/not_named"):
        (tmp_path / folder / "deep").mkdir(parents=True)
        (tmp_path / folder / "deep" / "file.txt").write_text(folder)
    path = tmp_path / "studies" / "naming.yaml"
    path.write_text(NAMING.replace("ABSOLUTE", str(tmp_path / "elsewhere")))
    package = package_of(load_study(path), path)
    assert set(package.files) == {"studies/naming.yaml", *(f"{folder}/deep/file.txt" for folder in FOLDERS)}
    assert package.study == "studies/naming.yaml"

    archives = [tmp_path / "one.zip", tmp_path / "two.zip"]
    for archive in archives:
        write_package(package, archive)
        os.utime(tmp_path / "studies" / "words" / "deep" / "file.txt", (0, 0))
    assert archives[0].read_bytes() == archives[1].read_bytes(), "Ray knows a package by its bytes"
    with zipfile.ZipFile(archives[0]) as written:
        assert written.read("models/en-sw/deep/file.txt") == b"models/en-sw"


def test_too_much_to_travel_is_one_line(study):
    weights = study.parents[1] / "encoders" / "pocket" / "large.safetensors"
    with open(weights, "wb") as file:
        file.truncate(MAX_PACKAGE_BYTES)  # without a byte on the disk
    with pytest.raises(
        StudyError, match=r"^handed_over\.yaml: the folders that it names hold \d+ MiB, but at most 200 MiB travel with a study; "
    ):
        package_of(load_study(study), study)
