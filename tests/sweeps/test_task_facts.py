"""A task file that declares something else under the version that it had is refused, for the store would serve what was computed before."""

import dataclasses
import json
from pathlib import Path

import pytest

from sweeps.study import StudyError
from sweeps.task_facts import FILE, check_declared, record_declared
from trainables.store_files import StoreFiles
from trainables.task import TASKS


@pytest.fixture
def files(tmp_path: Path) -> StoreFiles:
    found = StoreFiles(str(tmp_path))
    record_declared(found, ["mnli", "panx"])
    return found


def test_a_task_as_it_was_is_let_through(files: StoreFiles) -> None:
    before = files.read(FILE)
    check_declared(files, ["mnli", "panx", "xquad"])
    record_declared(files, ["mnli"])
    assert files.read(FILE) == before


def test_other_labels_under_one_version_are_refused_and_under_the_next_are_another_task(
    files: StoreFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    mnli = TASKS.load("mnli")
    changed = dataclasses.replace(mnli, labels=mnli.labels[::-1])
    monkeypatch.setitem(TASKS._found, "mnli", changed)
    with pytest.raises(StudyError) as caught:
        check_declared(files, ["mnli", "panx"])
    (line,) = str(caught.value).splitlines()
    assert line.startswith("trainables/tasks/mnli.py: labels is [")
    assert f"stages of version {mnli.version} were stored; raise its version" in line
    monkeypatch.setitem(TASKS._found, "mnli", dataclasses.replace(changed, version=mnli.version + 1))
    check_declared(files, ["mnli"])
    record_declared(files, ["mnli"])
    assert set(json.loads(files.read(FILE) or b"")["mnli"]) == {str(mnli.version), str(mnli.version + 1)}


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"mnli": []}', b'{"mnli": {"1": 3}}', b"\xff"])
def test_a_record_that_is_damaged_is_begun_anew(files: StoreFiles, content: bytes) -> None:
    files.write(FILE, content)
    check_declared(files, ["mnli"])
    record_declared(files, ["mnli"])
    assert list(json.loads(files.read(FILE) or b"")) == ["mnli"]
