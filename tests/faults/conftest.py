"""What every fault is measured against."""

from pathlib import Path

import pytest

from tests.faults.chaos import STUDY
from tests.sweeps.processes import run


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a study that nothing happened to."""
    home: Path = tmp_path_factory.mktemp("undisturbed")
    run(STUDY, home)
    return home
