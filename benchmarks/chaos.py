"""What faults do to a study that is killed again and again: stages lost or computed twice, runs, rows and processes that should not be.

    PYTHONPATH=. python benchmarks/chaos.py [--kills N] [--rounds-of N] [--seed N] [--points] [--json FILE]

The longer half of `tests/faults`: the same study, kills and counts. Each round is a new home, whose driver is killed `--rounds-of` times at
moments that the seed draws, and then left to end. With `--points` also a round for each named point between two writes, at which the driver
dies once, alone or with the worker that publishes. Every figure but `kills` should be 0.
"""

import argparse
import json
import random
import secrets
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.faults.chaos import STUDY, Toll, Watch, copy_home, storm
from tests.faults.points import ENDING, PUBLISHING, SPOOLING, WALKING, Point, killed_at
from tests.sweeps.processes import run

EVERY_STAGE = Path(__file__).parents[1] / "tests" / "sweeps" / "studies" / "every_stage.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--rounds-of", type=int, default=20, help="kills of one home")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--points", action="store_true")
    parser.add_argument("--json", type=Path)
    settings = parser.parse_args()
    rounds: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="polystilts-chaos-") as scratch:
        folder = Path(scratch)
        undisturbed = folder / "undisturbed"
        run(STUDY, undisturbed)
        for name, kills, toll, seconds in timed(all_rounds(settings, folder, undisturbed)):
            rounds.append({"round": name, "kills": kills, "seconds": round(seconds, 1), **toll._asdict()})
            print(json.dumps(rounds[-1]), flush=True)
    found = {"seed": settings.seed, "kills": sum(each["kills"] for each in rounds), **total(rounds), "rounds": rounds}
    print(json.dumps({name: value for name, value in found.items() if name != "rounds"}))
    if settings.json is not None:
        settings.json.write_text(json.dumps(found, indent=1))


def all_rounds(settings: argparse.Namespace, folder: Path, undisturbed: Path) -> Iterator[tuple[str, int, Toll]]:
    """The name of a round, its kills, and what came of them."""
    draw, left = random.Random(settings.seed), settings.kills
    while left > 0:
        kills = min(left, settings.rounds_of)
        yield "at random", kills, storm(STUDY, folder / f"random-{left}", undisturbed, kills, draw)
        left -= kills
    for place, point in enumerate((*PUBLISHING, *WALKING, *ENDING) if settings.points else ()):
        home = folder / f"point-{place}" / "home"
        home.parent.mkdir()
        watch = Watch(home)
        killed_at(point, STUDY, home)
        watch.look()
        run(STUDY, home)
        yield str(point), 1, watch.toll(STUDY, undisturbed)
    if settings.points:
        home = copy_home(undisturbed, folder / "spooling")
        watch = Watch(home)
        for point, variables in zip(SPOOLING, ({"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}, {}, {}), strict=True):
            killed_at(point, STUDY, home, **variables)
            watch.look()
        run(STUDY, home)
        yield "spooling", len(SPOOLING), watch.toll(STUDY, undisturbed)
        yield "one of two workers", 1, one_of_two_workers(folder)


def one_of_two_workers(folder: Path) -> Toll:
    """A worker of Ray Train dies in the middle of a training; the study is compared with that of one worker."""
    studies = [folder / f"workers-{workers}" / "every_stage.yaml" for workers in (1, 2)]
    for workers, study in enumerate(studies, 1):
        study.parent.mkdir()
        study.write_text(f"{EVERY_STAGE.read_text()}resources: {{workers: {workers}}}\n")
    alone, home = (study.parent / "home" for study in studies)
    run(studies[0], alone)
    printed = killed_at(Point("trainables.train:remember", "after", 2), studies[1], home, worker_alone=True)
    assert printed.count("worker lost: ") == 1, printed
    return Watch(home).toll(studies[1], alone)


def timed(rounds: Iterator[tuple[str, int, Toll]]) -> Iterator[tuple[str, int, Toll, float]]:
    """With the seconds that each took."""
    began = time.monotonic()
    for each in rounds:
        yield (*each, time.monotonic() - began)
        began = time.monotonic()


def total(rounds: list[dict[str, Any]]) -> dict[str, int]:
    return {name: sum(each[name] for each in rounds) for name in Toll._fields}


if __name__ == "__main__":
    main()
