"""A run starts nothing more when a disk is full or its limit is reached, and says which."""

import shutil
from pathlib import Path

import pytest

from sweeps.brakes import Brakes, Limits, Stop, read_prices
from sweeps.study import StudyError

H100, EPYC = "NVIDIA H100 80GB HBM3", "AMD EPYC 7B13"


class Hours:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return 3600 * self.now


def run_one(brakes: Brakes, clock: Hours, hours: float, device: str | None = H100) -> None:
    """A stage on one device, from its start to its end."""
    brakes.began("one", 1)
    clock.now += hours
    brakes.ended("one", device)


def test_nothing_brakes_without_a_limit(tmp_path: Path) -> None:
    clock = Hours()
    brakes = Brakes([tmp_path], Limits(), min_free_bytes=0, clock=clock)
    run_one(brakes, clock, 1e6)
    assert brakes.stop() is None


def test_hours_add_up_to_the_limit_and_so_do_those_of_what_is_under_way(tmp_path: Path) -> None:
    clock = Hours()
    brakes = Brakes([tmp_path], Limits(device_hours=3), min_free_bytes=0, clock=clock)
    run_one(brakes, clock, 0.9)
    run_one(brakes, clock, 1.0, device=None)
    brakes.began("two", 4)
    clock.now += 0.2
    assert brakes.stop() is None
    clock.now += 0.1
    assert brakes.stop() == Stop("3.10 device-hours were used, and --max-hours is 3", ends_stages=True)


def test_prices_add_up_by_device(tmp_path: Path) -> None:
    clock = Hours()
    brakes = Brakes([tmp_path], Limits(cost=10, prices={"h100": 3.5, "EPYC": 0.1}), min_free_bytes=0, clock=clock)
    run_one(brakes, clock, 2)
    run_one(brakes, clock, 20, EPYC)
    brakes.began("two", 8)
    clock.now += 1
    assert brakes.stop() is None, "at the price of what was met last"
    brakes.ended("two", EPYC)
    run_one(brakes, clock, 1)
    assert brakes.stop() == Stop("13.30 were spent, and --max-cost is 10", ends_stages=True)


def test_until_a_device_is_known_it_is_the_dearest(tmp_path: Path) -> None:
    clock = Hours()
    brakes = Brakes([tmp_path], Limits(cost=10, prices={"H100": 3.5, "EPYC": 0.1}), min_free_bytes=0, clock=clock)
    run_one(brakes, clock, 1, device=None)
    brakes.began("two", 2)
    clock.now += 1
    assert brakes.stop() == Stop("10.50 were spent, and --max-cost is 10", ends_stages=True)


def test_a_device_without_a_price_brakes_at_once(tmp_path: Path) -> None:
    clock = Hours()
    brakes = Brakes([tmp_path], Limits(cost=10, prices={"A100": 2.0}), min_free_bytes=0, clock=clock)
    run_one(brakes, clock, 0.1)
    stop = brakes.stop()
    assert stop is not None
    assert stop.reason == "--prices has no price for 'NVIDIA H100 80GB HBM3', so that --max-cost cannot be kept"


def test_a_full_disk_brakes_says_what_helps_and_lets_stages_end(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    assert Brakes([tmp_path], Limits(), min_free_bytes=free // 2).stop() is None
    stop = Brakes([tmp_path], Limits(), min_free_bytes=2 * free).stop()
    assert stop is not None
    assert stop.reason.startswith(f"{tmp_path} has ")
    assert "polystilts cache gc" in stop.reason
    assert not stop.ends_stages


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
