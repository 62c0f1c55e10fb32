"""What the store says is done is done, to the byte."""

import json
import multiprocessing
from pathlib import Path

import pytest

from tests.trainables.object_store import faulty
from trainables import store_files
from trainables.checkpoint import load_progress, save_progress
from trainables.manifest import Cost, Manifest
from trainables.store import LostArtifactError, Store

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


@pytest.fixture(params=["path", "uri", "s3"])
def store(request, tmp_path):
    if request.param == "s3":
        return Store(request.getfixturevalue("bucket"), tmp_path / "cache")
    root = tmp_path / "store"
    return Store(str(root) if request.param == "path" else root.as_uri(), tmp_path / "cache")


def elsewhere(store, tmp_path):
    """The same store, on a machine that has fetched nothing yet."""
    return Store(store.uri, tmp_path / "other_cache")


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


@pytest.mark.parametrize("harm", ["flip", "cut", "delete"])
def test_a_damaged_file_is_never_served(store, files, tmp_path, harm):
    published = store.publish(manifest(), files)
    path = f"artifacts/train-0/{published.attempt}/weights"
    content = store.files.read(path)
    if harm == "flip":
        store.files.write(path, b"x" + content[1:])
    elif harm == "cut":
        store.files.write(path, content[:-1])
    else:
        store.files.delete(path)
    if harm != "flip" or store.files.is_local:
        assert "weights" in str(store.damage(published))
    with pytest.raises(LostArtifactError, match="weights") as lost:
        elsewhere(store, tmp_path).fetch("train-0")
    assert (lost.value.key, lost.value.attempt) == ("train-0", published.attempt)
    assert store.manifest("train-0") == published, "whoever only reads changes nothing"
    store.publish(manifest(), files)
    assert (store.fetch("train-0") / "weights").read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"key": "train-0"}', "another key"])
def test_a_manifest_that_cannot_be_read_is_none_and_can_be_set_aside(store, files, content):
    published = store.publish(manifest(), files)
    if content == "another key":
        content = published.model_copy(update={"key": "train-1"}).model_dump_json().encode()
    store.files.write("manifests/train-0.json", content)
    assert store.manifest("train-0") is None
    assert store.files.read("manifests/train-0.json") == content
    store.quarantine("train-0")
    assert store.keys() == frozenset()
    (name,) = store.files.names("quarantine")
    assert store.files.read(f"quarantine/{name}") == content


@pytest.mark.parametrize("path", ["../../outside", "/outside", "a/../../outside", ""])
def test_a_manifest_whose_files_would_lie_elsewhere_is_none(store, files, path):
    published = store.publish(manifest(), files)
    content = json.loads(published.model_dump_json())
    content["files"][0]["path"] = path
    store.files.write("manifests/train-0.json", json.dumps(content).encode())
    assert store.manifest("train-0") is None
    with pytest.raises(LostArtifactError):
        store.fetch("train-0")


def test_without_a_manifest_nothing_was_done(store, files):
    published = store.publish(manifest(), files)
    store.files.delete("manifests/train-0.json")
    assert store.manifest(published.key) is None
    with pytest.raises(LostArtifactError, match="train-0 has no files"):
        store.fetch("train-0")


def test_dropped_files_free_space_and_keep_the_numbers(store, files):
    store.publish(manifest(), files)
    assert store.drop_files("train-0") == 1002
    assert store.drop_files("train-0") == 0
    kept = store.manifest("train-0")
    assert kept is not None
    assert kept.score == 0.5
    assert store.damage(kept) is None
    with pytest.raises(LostArtifactError):
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


def test_progress_goes_on_on_another_machine_and_is_cleared_at_the_end(bucket, tmp_path):
    store = Store(bucket, tmp_path / "cache")
    here = store.progress_folder("train-0")
    for step in (10, 20, 30):
        save_progress(here, step, {"step": step})
        store.keep_progress(here)
    other = elsewhere(store, tmp_path)
    there = other.progress_folder("train-0")
    other.fetch_progress(there)
    assert load_progress(there) == {"step": 30}
    assert len(list(there.iterdir())) == 2, "those that were deleted here are not there"
    other.clear_progress("train-0")
    assert not there.exists()
    assert not store.files.names("progress/train-0")


def test_progress_of_a_local_store_lies_in_it(tmp_path):
    store = Store(str(tmp_path / "store"), tmp_path / "cache")
    folder = store.progress_folder("train-0")
    save_progress(folder, 10, {"step": 10})
    store.keep_progress(folder)
    store.fetch_progress(folder)
    assert folder.is_relative_to(tmp_path / "store")
    store.clear_progress("train-0")
    assert not folder.exists()


def _fetch(uri: str, cache: str, _number: int) -> bytes:
    return (Store(uri, Path(cache)).fetch("train-0") / "weights").read_bytes()


def test_processes_of_one_machine_fetch_a_file_once(bucket, files, tmp_path):
    store = Store(bucket, tmp_path / "cache")
    store.publish(manifest(), files)
    with faulty(bucket) as (uri, faults):
        faults.delay_s = 0.2
        with multiprocessing.get_context("spawn").Pool(4) as pool:
            found = pool.starmap(_fetch, [(uri, str(tmp_path / "shared_cache"), number) for number in range(4)])
        assert found == [b"w" * 1000] * 4
        assert sum(request.startswith("GET") and "weights" in request for request in faults.requests) == 1
        assert sum(request.startswith("GET") and "manifests" in request for request in faults.requests) == 4


def test_a_damaged_copy_is_fetched_again(bucket, files, tmp_path):
    store = Store(bucket, tmp_path / "cache")
    store.publish(manifest(), files)
    copy = store.fetch("train-0") / "weights"
    copy.write_bytes(b"x" * 1000)
    assert (store.fetch("train-0") / "weights").read_bytes() == b"w" * 1000


def test_an_object_store_that_answers_with_errors_is_asked_again(bucket, files, tmp_path, monkeypatch):
    monkeypatch.setattr(store_files, "_WAITS_S", (0.1, 0.1, 0.1, 0.1))
    with faulty(bucket) as (uri, faults):
        store = Store(uri, tmp_path / "cache")
        faults.num_errors = 12  # more than one request of pyarrow's asks by itself
        published = store.publish(manifest(), files)
        assert faults.num_errors == 0
        faults.num_errors = 12
        assert store.manifest("train-0") == published
        faults.num_errors = 12
        assert (store.fetch("train-0") / "weights").read_bytes() == b"w" * 1000


def test_what_must_be_new_is_written_once(store):
    assert store.files.create("leases/a", b"one")
    assert not store.files.create("leases/a", b"two")
    assert store.files.read("leases/a") == b"one"
    store.files.delete("leases/a")
    store.files.delete("leases/a")
    assert store.files.create("leases/a", b"two")
    assert store.files.names("leases") == ["a"]
