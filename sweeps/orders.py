"""What somebody at a terminal asks of the driver of a study, wherever that runs.

    <store>/orders/<study>.json    the order; the driver looks for it, obeys it and deletes it

An order that came while nobody drove the study is void: the next driver deletes it before it starts.
"""

import contextlib
import threading
from typing import Literal

from pydantic import ValidationError

from trainables.specs import Record
from trainables.store_files import StoreFiles

What = Literal["pause", "stop", "cancel"]
MEANING: dict[What, str] = {
    "pause": "trainings under way keep a checkpoint and end",
    "stop": "what is under way runs to its end, and nothing else starts",
    "cancel": "what is under way ends at once, and goes on later from its last checkpoint",
}


LISTEN_EVERY_S = 2.0
"""What listening costs on an object store: a request each time, some cents a weekend."""


class Order(Record):
    """As it lies in the store."""

    what: What


class RunCancelledError(Exception):
    """A run was told to end at once."""


class Orders:
    """Those of one study."""

    def __init__(self, files: StoreFiles, study: str) -> None:
        self._files, self._path = files, f"orders/{study}.json"

    def give(self, what: What) -> None:
        """Replaces an order that was not obeyed yet."""
        self._files.write(self._path, Order(what=what).model_dump_json().encode())

    def withdraw(self) -> bool:
        """Whether there was one."""
        was_there = self._files.size(self._path) is not None
        self._files.delete(self._path)
        return was_there

    def read(self) -> What | None:
        """The order that waits; what nobody could have given is none."""
        content = self._files.read(self._path)
        try:
            return None if content is None else Order.model_validate_json(content).what
        except ValidationError:
            return None


class Listener:
    """Hears the orders of one study meanwhile, in a thread of its own: an object store that is slow or away holds no driver up."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._heard: What | None = None
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="orders", daemon=True)

    def __enter__(self) -> "Listener":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()

    def heard(self) -> What | None:
        """The order that was there when it was last looked for."""
        return self._heard

    def _listen(self) -> None:
        while not self._is_over.is_set():
            with contextlib.suppress(OSError):  # it is looked for again
                self._heard = self._orders.read()
            self._is_over.wait(LISTEN_EVERY_S)
