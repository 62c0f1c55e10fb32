"""Whether planning and searching keep up with a large cluster: a study of 100,000 stages on 1,000 simulated nodes.

    python benchmarks/simulated_cluster.py [--nodes N] [--intermediates N] [--home DIR] [--json FILE]

All of a run but Ray, MLflow and the stages themselves is the real thing: plan, walk, searches, the searcher that Ray Tune asks, journal,
terminal and a store, which lies in memory. A loop of events stands in for the cluster: a node takes one stage at a time, for as long as it
is drawn to take. The driver does one thing after another and its own time counts: a node waits until it is told what is next. Durations
are lognormal, like those in the store below `--home`, else like those measured in `sweeps/studies/real_small.yaml`.

Prints the driver's time for each stage, its memory, and the makespan against the larger of critical path and work / nodes. The critical
path is the makespan of the same study on as many nodes as it can use, with a driver that takes no time.
"""

import argparse
import gc
import heapq
import io
import itertools
import json
import math
import random
import resource
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from sweeps.brakes import NO_LIMITS, Brakes
from sweeps.builder import SpecBuilder
from sweeps.events import Event
from sweeps.gpu_share import GpuShares
from sweeps.home import Home
from sweeps.journal import Journal
from sweeps.leases import Leases
from sweeps.node_watch import NodeWatch
from sweeps.plan import Request, plan_study
from sweeps.plan_searcher import PlanSearcher
from sweeps.progress import Progress
from sweeps.pruning import pruned_at
from sweeps.retries import Retries
from sweeps.study import Study
from sweeps.walk import Walk
from trainables.manifest import Cost, CurvePoint, DataUse, Manifest, Measurement
from trainables.specs import EvaluateSpec, Job, TrainSpec
from trainables.store import Store

MODELS = {
    "xlmr": {"family": "xlm_roberta", "hub": "FacebookAI/xlm-roberta-large"},
    "mbert": {"family": "bert", "hub": "google-bert/bert-base-multilingual-cased"},
}
TARGETS = {
    "xnli": {},
    "pawsx": {},
    "panx": {},
    "udpos": {},
    "xquad": {},
    "squad2": {"test": "dev"},
    "commonsenseqa": {"test": "dev"},
    "tatoeba": {},
}
SEARCH = {"trials": 16, "parallel": 4, "replicates": 3}
NUM_INTERMEDIATES = 208
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""For the store: how fast a disk is belongs to a machine."""


class Durations(NamedTuple):
    """Lognormal seconds of the stages of one role."""

    median_s: float
    sd_of_tasks: float
    """Of the logarithm of what the stages of a task have in common."""
    sd_within: float
    """Of the logarithm of the rest."""

    def draw(self, task: str, key: str) -> float:
        """Seconds of a stage; the same whenever it is asked."""
        of_task, of_stage = (random.Random(name).gauss() for name in (task, key))
        return self.median_s * math.exp(self.sd_of_tasks * of_task + self.sd_within * of_stage)


MEASURED = {
    "encoder": Durations(273.0, 0.62, 0.05),
    "trial": Durations(98.6, 0.23, 0.35),
    "evaluation": Durations(41.2, 0.46, 0.05),
}
"""By role, from the manifests of a run of `sweeps/studies/real_small.yaml` on published data and two cores of a CPU (docs/log.md): of 4, 55
and 36 stages. No task had two encoders there: that they differ as two evaluations of a task do is assumed."""


class Simulated(NamedTuple):
    """One study on one number of nodes."""

    num_stages: int
    makespan_s: float
    work_s: float
    """Of all stages together, without waiting."""
    widest: int
    """Stages that ran at once."""
    driver_s: list[float]
    """The driver's seconds at the end of each stage: to be told of it and to find what its node does next."""
    stored_bytes: int
    """Of the manifests."""
    peak_memory_bytes: int


class CountedEvents:
    """In the place of MLflow's writer, a thread that the driver never waits for."""

    def __init__(self) -> None:
        self.number = 0

    def log(self, _event: Event) -> None:
        self.number += 1


class Driver:
    """What Ray Tune would talk to, and how long its answers take."""

    def __init__(self, study: Study, folder: Path) -> None:
        self.programs = plan_study(SpecBuilder(study, Path(), None))
        self.store = Store(str(folder), folder)
        walk = Walk(self.programs, lambda _key: None)
        progress = Progress(Console(file=io.StringIO()), study.name, sum(program.num_stages() for program in self.programs))
        leases, shares = Leases(self.store.files, study.name), GpuShares(study.resources.gpus_per_worker)
        self._journal = Journal(walk, self.store, CountedEvents(), progress, leases, Retries(folder / "retries.jsonl"))
        self._searcher = PlanSearcher(
            walk, self.store, self._job, self._journal, shares, leases, Brakes([], NO_LIMITS), NodeWatch(lambda: (), {})
        )
        self._asked: Request | None = None
        self.took_s = 0.0
        """All that it was asked for."""

    def next(self, trial: str) -> Request | None:
        """What an idle node does next."""
        began, self._asked = time.perf_counter(), None
        self._searcher.suggest(trial)
        self.took_s += time.perf_counter() - began
        return self._asked

    def finish(self, trial: str) -> None:
        """A stage is in the store."""
        began = time.perf_counter()
        self._searcher.on_trial_complete(trial, {"done": True})
        self.took_s += time.perf_counter() - began

    def close(self) -> None:
        """After the last stage; nobody waits for it."""
        self._journal.close()

    def _job(self, request: Request, gpus: float) -> Job:
        self._asked = request
        return Job(
            spec=request.spec,
            store=self.store.uri,
            cache="cache",
            data=None,
            encoder_folder=request.folder,
            num_threads=1,
            num_workers=1,
            use_gpu=gpus > 0,
            stop_below=request.floors,
            checkpoint_every_s=120.0,
        )


def simulate(study: Study, num_nodes: float, durations: Mapping[str, Durations], *, counts_driver: bool) -> Simulated:
    """Runs a study to its end; `num_nodes` may be infinite."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        return simulate_in(Path(folder), study, num_nodes, durations, counts_driver=counts_driver)


def simulate_in(folder: Path, study: Study, num_nodes: float, durations: Mapping[str, Durations], *, counts_driver: bool) -> Simulated:
    """As `simulate`; the store lies in a folder."""
    driver = Driver(study, folder / "store")
    (folder / "nothing").mkdir()
    running: list[tuple[float, str, Manifest]] = []
    names = (f"{number:08x}" for number in itertools.count())
    driver_s: list[float] = []
    now_s = work_s = 0.0
    widest = stored_bytes = 0
    while True:
        while len(running) < num_nodes:
            before_s = driver.took_s
            request = driver.next(name := next(names))
            now_s += (driver.took_s - before_s) * counts_driver
            if request is None:
                break
            manifest = manifest_of(request, durations)
            work_s += manifest.cost.seconds
            heapq.heappush(running, (now_s + manifest.cost.seconds, name, manifest))
        driver_s.append(driver.took_s)
        if not running:
            break
        widest = max(widest, len(running))
        ends_s, name, manifest = heapq.heappop(running)
        stored_bytes += len(driver.store.publish(manifest, folder / "nothing").model_dump_json(indent=1))
        before_s = driver.took_s
        driver.finish(name)
        now_s = max(now_s, ends_s) + (driver.took_s - before_s) * counts_driver
    driver.close()
    gc.unfreeze()
    assert all(program.evaluations for program in driver.programs), "every cell is filled"
    steps_s = [after - before for before, after in itertools.pairwise(driver_s)]
    return Simulated(len(steps_s), now_s, work_s, widest, steps_s, stored_bytes, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def manifest_of(request: Request, durations: Mapping[str, Durations]) -> Manifest:
    """What a stage would publish: as large as a real one, its score follows from its learning rate, and its floors prune it."""
    spec, draw = request.spec, random.Random(request.key)
    context = request.context
    seconds = durations[context.role].draw(f"{context.role}/{context.target or context.intermediate}", request.key)
    curve: list[CurvePoint] = []
    if isinstance(spec, TrainSpec):
        best = 0.8 - 0.05 * math.log10(spec.learning_rate / 2e-5) ** 2 + draw.gauss(0, 0.01)
        scores = [best * (1 - 0.5 ** (rung + 1)) + draw.gauss(0, 0.005) for rung in range(spec.num_evals)]
        pruned = pruned_at(scores, request.floors)
        kept = scores if pruned is None else scores[: pruned + 1]
        seconds *= len(kept) / len(scores)
        curve = [point_of(rung, score) for rung, score in enumerate(kept)]
    scored = spec.data if isinstance(spec, EvaluateSpec) else ()
    return Manifest(
        key=request.key,
        status="pruned" if isinstance(spec, TrainSpec) and len(curve) < spec.num_evals else "done",
        spec=spec.model_dump(mode="json"),
        parents=request.parents,
        attempt="simulated",
        files=(),
        files_dropped=False,
        measurements=tuple(measured(data.task, data.language, draw.random()) for data in scored),
        curve=tuple(curve),
        score=curve[-1].score if curve else None,
        data=tuple(
            DataUse(task=data.task, language=data.language, split=data.split, purpose="test", num_examples=1000, dropped={}, cut={})
            for data in scored
        ),
        cost=Cost(
            started_at=0.0, seconds=seconds, device_seconds=seconds, num_tokens=1, num_examples=1, peak_memory_bytes=1, device="none"
        ),
    )


def point_of(rung: int, score: float) -> CurvePoint:
    dev = (measured("dev", "en", score),)
    return CurvePoint(step=1000 * (rung + 1), epoch=rung + 1.0, train_loss=1.0, learning_rate=1e-5, score=score, dev=dev)


def measured(task: str, language: str, value: float) -> Measurement:
    return Measurement(task=task, language=language, split="test", metric="accuracy", value=value, n=1000)


def durations_of(home: Path) -> dict[str, Durations]:
    """By role, of what the store below `home` has; as measured elsewhere for a role that it has nothing of."""
    store = Store(str(Home(home).store), Home(home).cache)
    found = [manifest for key in sorted(store.keys()) if (manifest := store.manifest(key)) is not None and manifest.status == "done"]
    trained_on = {parent for manifest in found if manifest.spec["kind"] == "train" for parent in manifest.parents}
    logs: dict[str, dict[str, list[float]]] = {role: defaultdict(list) for role in MEASURED}
    for manifest in found:
        spec = manifest.spec
        if spec["kind"] == "train":
            role = "encoder" if manifest.key in trained_on else "trial"
            logs[role]["+".join(entry["train"]["task"] for entry in spec["mixture"])].append(math.log(manifest.cost.seconds))
        elif spec["kind"] == "evaluate":
            logs["evaluation"][spec["data"][0]["task"]].append(math.log(manifest.cost.seconds))
    return {role: lognormal(list(by_task.values())) if by_task else MEASURED[role] for role, by_task in logs.items()}


def lognormal(by_task: Sequence[Sequence[float]]) -> Durations:
    """Of logarithms of seconds, task by task."""
    means = [statistics.fmean(logs) for logs in by_task]
    within = [log - mean for logs, mean in zip(by_task, means, strict=True) for log in logs]
    return Durations(math.exp(statistics.median(itertools.chain(*by_task))), statistics.pstdev(means), statistics.pstdev(within))


def summary(ran: Simulated, critical_path_s: float, num_nodes: int) -> dict[str, float]:
    """What is printed and written."""
    bound_s = max(critical_path_s, ran.work_s / num_nodes)
    return {
        "stages": ran.num_stages,
        "nodes": num_nodes,
        "widest": ran.widest,
        "driver_median_s": statistics.median(ran.driver_s),
        "driver_p99_s": statistics.quantiles(ran.driver_s, n=100)[-1],
        "driver_max_s": max(ran.driver_s),
        "driver_total_s": sum(ran.driver_s),
        "stages_per_s": ran.num_stages / sum(ran.driver_s),
        "makespan_s": ran.makespan_s,
        "critical_path_s": critical_path_s,
        "work_per_node_s": ran.work_s / num_nodes,
        "makespan_over_bound": ran.makespan_s / bound_s,
        "peak_memory_bytes": ran.peak_memory_bytes,
        "stored_bytes": ran.stored_bytes,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--intermediates", type=int, default=NUM_INTERMEDIATES)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    intermediates = {f"mnli_{size}": {"tasks": {"mnli": {"num_examples": 1000 + size}}} for size in range(given.intermediates)}
    study = Study.model_validate({"name": "large", "models": MODELS, "intermediates": intermediates, "targets": TARGETS, "search": SEARCH})
    durations = MEASURED if given.home is None else durations_of(given.home)
    ran = simulate(study, given.nodes, durations, counts_driver=True)
    unbound = simulate(study, math.inf, durations, counts_driver=False)
    found = summary(ran, unbound.makespan_s, given.nodes)
    print(f"{ran.num_stages} stages on {given.nodes} nodes, at most {ran.widest} at once")
    print(
        f"driver's time for a stage: median {1e3 * found['driver_median_s']:.2f} ms, 99th percentile {1e3 * found['driver_p99_s']:.1f}, "
        f"at most {1e3 * found['driver_max_s']:.0f}; {found['stages_per_s']:.0f} stages/s"
    )
    print(f"peak memory {found['peak_memory_bytes'] / 1e9:.2f} GB; manifests of {found['stored_bytes'] / 1e9:.2f} GB are in the store")
    print(
        f"makespan {ran.makespan_s:.0f} s; critical path {unbound.makespan_s:.0f} s, work / nodes {found['work_per_node_s']:.0f} s: "
        f"{found['makespan_over_bound']:.3f} times the larger"
    )
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
