"""A store gives back what it can do without, and says what in it is damaged."""

from pathlib import Path

import pytest

from sweeps.collect import collect, parse_size, verify
from sweeps.leases import Leases
from sweeps.study import StudyError
from trainables.manifest import Cost, Manifest
from trainables.store import Store

MB = 10**6


@pytest.fixture(params=["path", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "path":
        return Store(str(tmp_path / "store"), tmp_path / "cache")
    return Store(request.getfixturevalue("bucket"), tmp_path / "cache")


def publish(store: Store, folder: Path, key: str, started_at: float, parents: tuple[str, ...] = ()) -> Manifest:
    """A stage with one file of a megabyte."""
    folder.mkdir(exist_ok=True)
    (folder / "weights").write_bytes(b"w" * MB)
    cost = Cost(started_at=started_at, seconds=1, device_seconds=1, num_tokens=1, num_examples=1, peak_memory_bytes=1, device="")
    manifest = Manifest(
        key=key, status="done", spec={}, parents=parents, attempt="", files=(), files_dropped=False, measurements=(), curve=(), score=None,
        cost=cost,
    )  # fmt: skip
    return store.publish(manifest, folder)


@pytest.fixture
def filled(store: Store, tmp_path: Path) -> Store:
    """An encoder, two targets that were trained from it, and an evaluation."""
    publish(store, tmp_path / "files", "train-encoder", 1)
    for number in (2, 3):
        publish(store, tmp_path / "files", f"train-{number}", number, ("train-encoder",))
    publish(store, tmp_path / "files", "evaluate-2", 4, ("train-2",))
    return store


def test_what_died_half_way_goes_and_nothing_else(filled: Store) -> None:
    filled.files.write("artifacts/train-2/another/weights", b"w" * 100)
    filled.files.write("artifacts/train-never/attempt/weights", b"w" * 200)
    filled.files.write("progress/train-2/step-1", b"p" * 30)
    filled.files.write("progress/train-going-on/step-1", b"p" * 40)
    before = filled.files.sizes("artifacts")
    counted = collect(filled, None, is_dry=True)
    assert (counted.abandoned_bytes, counted.progress_bytes, counted.quota_bytes) == (300, 30, 0)
    assert filled.files.sizes("artifacts") == before
    assert collect(filled, None, is_dry=False) == counted
    assert sum(filled.files.sizes("artifacts").values()) == counted.kept_bytes == 4 * MB
    assert list(filled.files.sizes("progress").values()) == [40]
    assert list(verify(filled)) == []
    assert collect(filled, None, is_dry=False).freed_bytes == 0


def test_under_a_quota_the_oldest_go_and_shared_encoders_last(filled: Store) -> None:
    found = collect(filled, 2 * MB, is_dry=False)
    assert found.stages == ("train-2", "train-3")
    assert found.quota_bytes == found.kept_bytes == 2 * MB
    kept = filled.manifest("train-2")
    assert kept is not None
    assert kept.files_dropped
    assert collect(filled, 0, is_dry=False).stages == ("evaluate-2", "train-encoder")
    assert filled.keys() == {"train-encoder", "train-2", "train-3", "evaluate-2"}


def test_a_registered_winner_goes_with_its_stage_s_files(filled: Store) -> None:
    for key in ("train-2", "train-3", "train-never"):
        filled.files.write(f"models/{key}/model.safetensors", b"m" * MB)
    found = collect(filled, 3 * MB, is_dry=False)
    assert (found.abandoned_bytes, found.quota_bytes, found.kept_bytes) == (MB, 4 * MB, 2 * MB)
    assert found.stages == ("train-2", "train-3")
    assert filled.files.sizes("models") == {}


def test_a_winner_whose_stage_lost_its_files_counts_and_goes_too(filled: Store) -> None:
    filled.files.write("models/train-2/model.safetensors", b"m" * MB)
    filled.drop_files("train-2")
    assert collect(filled, None, is_dry=False).kept_bytes == 4 * MB
    assert collect(filled, 3 * MB, is_dry=False).stages == ("train-2",)
    assert filled.files.sizes("models") == {}


def test_nothing_goes_while_a_driver_is_at_work(filled: Store) -> None:
    driver = Leases(filled.files, "other")._me.model_copy(update={"machine": "another", "host": "elsewhere"})
    filled.files.write(f"leases/drivers/{driver.id}.json", driver.model_dump_json().encode())
    with pytest.raises(StudyError, match=r"study 'other' is being run by process .* on elsewhere"):
        collect(filled, 0, is_dry=False)
    assert sum(filled.files.sizes("artifacts").values()) == 4 * MB


def test_a_flipped_byte_is_found(filled: Store) -> None:
    manifest = filled.manifest("train-3")
    assert manifest is not None
    filled.files.write(f"artifacts/train-3/{manifest.attempt}/weights", b"w" * (MB - 1) + b"x")
    (line,) = verify(filled)
    assert "train-3" in line
    assert "was altered" in line
    assert filled.keys() == {"train-encoder", "train-2", "evaluate-2"}
    assert list(verify(filled)) == []


@pytest.mark.parametrize(("text", "size"), [("500G", 500 * 10**9), ("1.5 tb", 1_500_000_000_000), ("0", 0), ("12k", 12_000)])
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1G", "10 GiB", "a lot"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(StudyError, match=r"--keep .*: give bytes, or a number with K, M, G or T, such as 500G"):
        parse_size(text)
