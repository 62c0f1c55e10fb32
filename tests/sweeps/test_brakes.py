"""A run starts nothing more when a disk is full or its limit is reached, and says which."""

import shutil
from pathlib import Path

import pytest

from sweeps.brakes import Brakes, Limits, read_prices
from sweeps.study import StudyError
from trainables.manifest import Cost


def cost(hours: float, device: str = "NVIDIA H100 80GB HBM3") -> Cost:
    return Cost(
        started_at=0, seconds=1, device_seconds=3600 * hours, num_tokens=1, num_examples=1, peak_memory_bytes=1, device=device
    )  # fmt: skip


def test_nothing_brakes_without_a_limit(tmp_path: Path) -> None:
    brakes = Brakes([tmp_path], Limits(), min_free_bytes=0)
    brakes.spent(cost(1e6))
    assert brakes.reason() is None


def test_hours_add_up_to_the_limit(tmp_path: Path) -> None:
    brakes = Brakes([tmp_path], Limits(device_hours=3), min_free_bytes=0)
    brakes.spent(cost(2.9))
    assert brakes.reason() is None
    brakes.spent(cost(0.2))
    assert brakes.reason() == "3.10 device-hours were used, and --max-hours is 3"


def test_prices_add_up_by_device(tmp_path: Path) -> None:
    brakes = Brakes([tmp_path], Limits(cost=10, prices={"h100": 3.5, "EPYC": 0.1}), min_free_bytes=0)
    for spent in (cost(2), cost(20, "AMD EPYC 7B13")):
        brakes.spent(spent)
    assert brakes.reason() is None
    brakes.spent(cost(1))
    assert brakes.reason() == "12.50 were spent, and --max-cost is 10"


def test_a_device_without_a_price_brakes_at_once(tmp_path: Path) -> None:
    brakes = Brakes([tmp_path], Limits(cost=10, prices={"A100": 2.0}), min_free_bytes=0)
    brakes.spent(cost(0.1))
    assert brakes.reason() == "--prices has no price for 'NVIDIA H100 80GB HBM3', so that --max-cost cannot be kept"


def test_a_full_disk_brakes_and_says_what_helps(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    assert Brakes([tmp_path], Limits(), min_free_bytes=free // 2).reason() is None
    reason = Brakes([tmp_path], Limits(), min_free_bytes=2 * free).reason()
    assert reason is not None
    assert reason.startswith(f"{tmp_path} has ")
    assert "polystilts cache gc" in reason


def test_prices_are_read(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text("H100: 3.5\nA100: 2\n")
    assert read_prices(path) == {"H100": 3.5, "A100": 2}


@pytest.mark.parametrize("text", ["", "[]", "H100: cheap", "H100: -1", "H100: true", "1: 2", "H100: .nan", "H100: [", "H100: .inf"])
def test_a_wrong_price_is_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    with pytest.raises(StudyError, match=f"--prices {path}: ") as error:
        read_prices(path)
    assert "\n" not in str(error.value)


def test_a_price_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"--prices .*nothing.yaml.*No such file"):
        read_prices(tmp_path / "nothing.yaml")
