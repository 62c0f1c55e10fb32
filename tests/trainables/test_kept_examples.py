"""Scored examples are read once, and no more of them are kept than fit."""

import shutil
from pathlib import Path

import pytest

from tests.trainables.toy_stages import data_spec, write_toy_data
from trainables import kept_examples
from trainables.data import load_examples
from trainables.kept_examples import scored_examples


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    kept_examples._kept.clear()


def test_examples_are_those_of_the_files_and_outlive_them(tmp_path: Path) -> None:
    folder = write_toy_data(tmp_path / "data")
    spec = data_spec(folder, "pawsx", "test", "de")
    wanted = load_examples(spec, folder).examples
    first = scored_examples(spec, folder)
    first.append(first[0])  # what one caller does to its list is not the next one's matter
    shutil.rmtree(folder)
    assert scored_examples(spec, folder) == wanted
    assert len(first) == len(wanted) + 1


def test_another_split_is_read(tmp_path: Path) -> None:
    folder = write_toy_data(tmp_path)
    half, whole = (data_spec(folder, "pawsx", split, "de") for split in ("test[:50%]", "test"))
    assert len(scored_examples(whole, folder)) == 2 * len(scored_examples(half, folder))


def test_the_least_recently_used_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_toy_data(tmp_path)
    old, older, new = (data_spec(folder, "pawsx", f"{split}[:10]") for split in ("train", "dev", "test"))
    for spec in (old, older, old):
        scored_examples(spec, folder)
    monkeypatch.setattr(kept_examples, "MAX_BYTES", sum(map(len, kept_examples._kept.values())) + 100)
    scored_examples(new, folder)
    assert list(kept_examples._kept) == [old, new]
    monkeypatch.setattr(kept_examples, "MAX_BYTES", 1)
    assert len(scored_examples(older, folder)) == 10, "too many to be kept at all"
    assert not kept_examples._kept
