"""What makes a run start no further stage: a full disk, a limit on what it may spend, an order. The same command goes on from there."""

import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from sweeps.orders import MEANING, RunCancelledError, What
from sweeps.study import StudyError

MOST = 0.8
"""Of a limit: from here on it is said that it is near."""
MIN_FREE_BYTES = 2 * 10**9
"""Of each disk that a run writes to: what stages that are under way may still need."""
_LOOK_EVERY_S = 5.0


class Limits(NamedTuple):
    """What a run may spend; None for as much as it takes."""

    device_hours: float | None = None
    cost: float | None = None
    prices: Mapping[str, float] | None = None
    """Of an hour of a device, by a part of its name."""


NO_LIMITS = Limits()


class Stop(NamedTuple):
    """That no further stage may start."""

    reason: str
    ends_stages: bool
    """Whether what is under way has to keep a checkpoint and end; where the disk is full, that would take more than to let it end."""


class Brakes:
    """Watches the disks of some folders, obeys orders, and adds up what stages hold for as long as they hold it."""

    def __init__(
        self,
        folders: Sequence[Path],
        limits: Limits,
        min_free_bytes: int = MIN_FREE_BYTES,
        clock: Callable[[], float] = time.monotonic,
        heard: Callable[[], What | None] = lambda: None,
    ) -> None:
        self._folders, self._limits, self._min_free_bytes, self._clock = folders, limits, min_free_bytes, clock
        self._heard = heard
        self._under_way: dict[str, tuple[float, float]] = {}
        """By stage, when it began and the devices that it holds."""
        self._device_hours = self._cost = 0.0
        """Of those that have ended."""
        self._price = max(limits.prices.values()) if limits.prices else 0.0
        """Of an hour of the device that was met last; before, and of what is unknown, the dearest."""
        self._without_price: str | None = None
        self._looked_at_s = -math.inf
        self._disk: str | None = None

    def began(self, stage: str, num_devices: float) -> None:
        """From now on a stage holds so many GPUs, or CPU threads where it uses none."""
        self._under_way[stage] = (self._clock(), num_devices)

    def ended(self, stage: str, device: str | None) -> None:
        """It holds nothing more; `device` is the name of what it ran on, if that is known."""
        hours = self._hours_of(*self._under_way.pop(stage, (self._clock(), 0.0)))
        if device is not None and self._limits.prices is not None:
            self._meet(device, self._limits.prices)
        self._device_hours += hours
        self._cost += self._price * hours

    def stop(self) -> Stop | None:
        """Why no further stage may start; None if one may. A RunCancelledError if not even those under way may go on."""
        limits = self._limits
        hours, cost = self._spent()
        if limits.device_hours is not None and hours >= limits.device_hours:
            return Stop(f"{hours:.2f} device-hours were used, and --max-hours is {limits.device_hours:g}", True)
        if limits.cost is not None and cost >= limits.cost:
            return Stop(f"{cost:.2f} were spent, and --max-cost is {limits.cost:g}", True)
        if limits.cost is not None and self._without_price is not None:
            return Stop(f"--prices has no price for {self._without_price!r}, so that --max-cost cannot be kept", True)
        order = self._heard()
        if order == "cancel":
            raise RunCancelledError
        if order is not None:
            return Stop(f"it was told to {order}: {MEANING[order]}", order == "pause")
        if self._clock() - self._looked_at_s >= _LOOK_EVERY_S:
            self._looked_at_s, self._disk = self._clock(), self._full_disk()
        return None if self._disk is None else Stop(self._disk, False)

    def near(self) -> str | None:
        """How much is spent, if it is most of a limit."""
        limits = self._limits
        hours, cost = self._spent()
        if limits.device_hours is not None and hours >= MOST * limits.device_hours:
            return f"{hours:.2f} of {limits.device_hours:g} device-hours are used"
        if limits.cost is not None and cost >= MOST * limits.cost:
            return f"{cost:.2f} of {limits.cost:g} are spent"
        return None

    def _spent(self) -> tuple[float, float]:
        """Device-hours and cost, with those of what is under way."""
        under_way = sum(self._hours_of(*held) for held in self._under_way.values())
        return self._device_hours + under_way, self._cost + self._price * under_way

    def _hours_of(self, began_at: float, num_devices: float) -> float:
        return (self._clock() - began_at) * num_devices / 3600

    def _meet(self, device: str, prices: Mapping[str, float]) -> None:
        price = next((price for name, price in prices.items() if name.lower() in device.lower()), None)
        if price is None:
            self._without_price = device
        else:
            self._price = price

    def _full_disk(self) -> str | None:
        for folder in self._folders:
            free = shutil.disk_usage(folder).free
            if free < self._min_free_bytes:
                return (
                    f"{folder} has {free / 1e9:.2f} GB left, less than the {self._min_free_bytes / 1e9:g} that are kept free; "
                    "polystilts cache gc --dry-run says what can go"
                )
        return None


def limits(device_hours: float | None, cost: float | None, prices: Path | None) -> Limits:
    """As a command line gives them; a StudyError says what goes with what."""
    if (cost is None) != (prices is None):
        raise StudyError("--max-cost and --prices go together: one is the limit, the other says what an hour of a device costs")
    return Limits(device_hours, cost, None if prices is None else read_prices(prices))


def read_prices(path: Path) -> Mapping[str, float]:
    """A YAML file of prices an hour by a part of a device's name, such as `H100: 3.5`; a StudyError says what is wrong with it."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StudyError(f"--prices {path}: {str(error).splitlines()[0]}") from None
    if not isinstance(found, dict) or not found:
        raise StudyError(f"--prices {path}: it has no prices; write a line for each device, such as `H100: 3.5`")
    for name, price in found.items():
        if not isinstance(name, str) or isinstance(price, bool) or not isinstance(price, int | float) or not 0 <= price < float("inf"):
            raise StudyError(f"--prices {path}: {name!r}: {price!r} is no price an hour; write a number from 0, as in `H100: 3.5`")
    return found
