"""What tests of several parts stand on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.trainables.object_store import object_store, uri_below


@pytest.fixture(scope="session")
def object_store_port() -> Iterator[int]:
    """Of the one object store of all tests."""
    with object_store() as port:
        yield port


@pytest.fixture
def bucket(object_store_port: int, tmp_path: Path) -> str:
    """The URI of a place of the test's own in an object store."""
    return uri_below(object_store_port, tmp_path.name)
