"""What the store says is done is done, to the byte."""

import multiprocessing
import shutil
from pathlib import Path

import pytest

from trainables.manifest import Cost, Manifest
from trainables.store import CorruptArtifactError, Store

COST = Cost(started_at=0.0, seconds=1.0, device_seconds=1.0, num_tokens=1, num_examples=1, peak_memory_bytes=1, device="none")


def manifest(key: str = "train-0") -> Manifest:
    return Manifest(
        key=key, status="done", spec={"a": 1}, parents=(), attempt="", files=(), files_dropped=False, measurements=(), curve=(),
        score=0.5, cost=COST,
    )  # fmt: skip


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "files"
    (folder / "deep").mkdir(parents=True)
    (folder / "weights").write_bytes(b"w" * 1000)
    (folder / "deep" / "config").write_text("{}")
    return folder


@pytest.fixture(params=["path", "uri"])
def store(request, tmp_path):
    root = tmp_path / "store"
    return Store(str(root) if request.param == "path" else root.as_uri(), tmp_path / "cache")


def test_what_was_published_is_fetched(store, files):
    assert store.manifest("train-0") is None
    published = store.publish(manifest(), files)
    assert store.keys() == {"train-0"}
    assert store.manifest("train-0") == published
    assert {record.path: record.num_bytes for record in published.files} == {"weights": 1000, "deep/config": 2}
    assert (store.fetch("train-0") / "deep" / "config").read_text() == "{}"
    assert store.damage(published) is None


def test_a_relative_path_is_the_same_store_in_another_working_directory(tmp_path, monkeypatch, files):
    monkeypatch.chdir(tmp_path)
    store = Store("store", tmp_path / "cache")
    monkeypatch.chdir(files)
    Store(store.uri, tmp_path / "cache").publish(manifest(), files)
    assert store.keys() == {"train-0"}


def test_publishing_twice_harms_nothing(store, files):
    first, second = store.publish(manifest(), files), store.publish(manifest(), files)
    assert first.attempt != second.attempt
    assert store.manifest("train-0") == second
    assert (store.fetch("train-0") / "weights").stat().st_size == 1000


@pytest.mark.parametrize("harm", ["flip", "delete"])
def test_a_damaged_file_is_never_served(store, files, harm):
    published = store.publish(manifest(), files)
    path = store.fetch("train-0") / "weights"
    if harm == "flip":
        path.write_bytes(b"x" + path.read_bytes()[1:])
    else:
        path.unlink()
    assert "weights" in str(store.damage(published))
    with pytest.raises(CorruptArtifactError, match="weights"):
        store.fetch("train-0")
    store.quarantine("train-0")
    assert store.keys() == frozenset()
    assert len(list((Path(store.progress_folder("x")).parents[1] / "quarantine").iterdir())) == 1


def test_without_a_manifest_nothing_was_done(store, files):
    published = store.publish(manifest(), files)
    (Path(store.progress_folder("x")).parents[1] / "manifests" / "train-0.json").unlink()
    assert store.manifest(published.key) is None
    with pytest.raises(FileNotFoundError, match="train-0 has no files"):
        store.fetch("train-0")


def test_dropped_files_free_space_and_keep_the_numbers(store, files):
    store.publish(manifest(), files)
    assert store.drop_files("train-0") == 1002
    assert store.drop_files("train-0") == 0
    kept = store.manifest("train-0")
    assert kept is not None
    assert kept.score == 0.5
    assert store.damage(kept) is None
    with pytest.raises(FileNotFoundError):
        store.fetch("train-0")
    store.publish(manifest(), files)
    assert store.fetch("train-0").exists(), "made again when needed"


def _publish(root: str, files: str, number: int) -> None:
    Store(root, Path(root) / "cache").publish(manifest(f"train-{number % 3}"), Path(files))


def test_many_processes_publish_at_once(tmp_path, files):
    root = str(tmp_path / "store")
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        pool.starmap(_publish, [(root, str(files), number) for number in range(24)])
    store = Store(root, tmp_path / "cache")
    assert store.keys() == {"train-0", "train-1", "train-2"}
    for key in ("train-0", "train-1", "train-2"):
        found = store.manifest(key)
        assert found is not None
        assert store.damage(found) is None


def test_progress_is_cleared(store):
    folder = store.progress_folder("train-0")
    folder.mkdir(parents=True)
    store.clear_progress("train-0")
    assert not folder.exists()
    shutil.rmtree(folder, ignore_errors=True)
