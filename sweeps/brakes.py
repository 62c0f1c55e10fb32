"""What makes a run start no further stage: a full disk, or a limit on what it may spend. The same command goes on from there."""

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from sweeps.study import StudyError
from trainables.manifest import Cost

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


class Brakes:
    """Watches the disks of some folders, and adds up what finished stages took; stages under way are counted at their end."""

    def __init__(self, folders: Sequence[Path], limits: Limits, min_free_bytes: int = MIN_FREE_BYTES) -> None:
        self._folders, self._limits, self._min_free_bytes = folders, limits, min_free_bytes
        self._device_s = self._cost = 0.0
        self._without_price: str | None = None
        self._looked_at_s = -_LOOK_EVERY_S
        self._disk: str | None = None

    def spent(self, cost: Cost) -> None:
        """A stage was computed."""
        self._device_s += cost.device_seconds
        if self._limits.prices is None:
            return
        price = next((price for name, price in self._limits.prices.items() if name.lower() in cost.device.lower()), None)
        if price is None:
            self._without_price = cost.device
        else:
            self._cost += price * cost.device_seconds / 3600

    def reason(self) -> str | None:
        """Why no further stage may start; None if one may."""
        hours, limits = self._device_s / 3600, self._limits
        if limits.device_hours is not None and hours >= limits.device_hours:
            return f"{hours:.2f} device-hours were used, and --max-hours is {limits.device_hours:g}"
        if limits.cost is not None and self._cost >= limits.cost:
            return f"{self._cost:.2f} were spent, and --max-cost is {limits.cost:g}"
        if limits.cost is not None and self._without_price is not None:
            return f"--prices has no price for {self._without_price!r}, so that --max-cost cannot be kept"
        if time.monotonic() - self._looked_at_s >= _LOOK_EVERY_S:
            self._looked_at_s = time.monotonic()
            self._disk = self._full_disk()
        return self._disk

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
