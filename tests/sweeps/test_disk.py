"""What a plan says that a study takes of a disk, against what real ones take."""

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import trainables.pocket
from sweeps.cost import CostModel, all_stages
from sweeps.data_sample import DataSamples
from sweeps.disk import study_disk
from sweeps.estimate import count
from sweeps.opened import open_study, walk_store
from tests.sweeps.processes import polystilts, run
from trainables.pocket.sized_encoders import Size, write_encoder
from trainables.specs import Job
from trainables.stage import run_stage

POCKET = Path(trainables.pocket.__file__ or "").parent / "encoder"
STUDY = """
name: filling
source_language: qaa
models: {{five: {{family: xlm_roberta, folder: {encoder}}}}}
targets:
  pocket_rank_class: {{dev: "dev[:20]", test: "test[:20]", languages: [qaa]}}
  pocket_flavour_class: {{dev: "dev[:20]", test: "test[:20]", languages: [qaa]}}
target_training: {{steps: {steps}, batch_size: 8, max_length: 32, num_evals: {evals}}}
search: {{space: pocket, trials: {trials}, parallel: 12, replicates: 1, sampler: random, pruning: none}}
resources: {{max_concurrent: 1}}
"""


class Peak:
    """The most bytes, in whole blocks, that a folder held while it was looked at, several times a second."""

    num_bytes = 0

    def look(self, folder: Path) -> None:
        found = 0
        for parent, _, names in os.walk(folder):
            for path in (Path(parent), *(Path(parent, name) for name in names)):
                with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                    found += path.lstat().st_blocks * 512
        self.num_bytes = max(self.num_bytes, found)


@contextlib.contextmanager
def watched(folder: Path, every_s: float) -> Iterator[Peak]:
    peak, is_over = Peak(), threading.Event()

    def look() -> None:
        while not is_over.wait(every_s):
            peak.look(folder)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield peak
    finally:
        is_over.set()
        looking.join()


def write_study(folder: Path, encoder: Path, trials: int, steps: int = 2, evals: int = 1) -> Path:
    path = folder / "filling.yaml"
    path.write_text(STUDY.format(encoder=encoder, trials=trials, steps=steps, evals=evals))
    return path


@pytest.mark.slow
def test_the_disk_of_fifty_trials_stays_under_what_was_planned_and_they_take_few_lines(tmp_path):
    """Two searches of three rounds, of encoders of 11 MB, which come one round after another; planned is one of each at a time."""
    write_encoder(Size("five", 5, 5), tmp_path / "five")
    assert (tmp_path / "five" / "model.safetensors").stat().st_size > 10e6
    study, home = write_study(tmp_path, tmp_path / "five", trials=25), tmp_path / "home"
    planned = json.loads(polystilts("plan", str(study), "--home", str(home), "--json"))["disk"]
    with watched(home, 0.1) as peak:
        printed = run(study, home)
    assert len(printed.splitlines()) <= 60, printed
    bound = (planned["store_peak_gb"] + planned["machine_gb"]) * 1e9
    print(f"{peak.num_bytes / 1e6:.0f} MB of {bound / 1e6:.0f}")
    assert bound / 4 < peak.num_bytes < bound
    left = Peak()
    left.look(home / "store")
    at_end = planned["store_end_gb"] * 1e9
    assert at_end / 2 < left.num_bytes < at_end


def test_progress_checkpoints_are_no_more_than_is_counted_for_them(tmp_path, monkeypatch):
    """Of a training that writes one at each of its evaluations, however long that takes."""
    monkeypatch.setattr("trainables.progress._MOST_OF_TIME", 1e9)
    opened = open_study(write_study(tmp_path, POCKET, trials=1, steps=20, evals=10), tmp_path / "home", None)
    walk, _ = walk_store(opened)
    request = walk.next()
    assert request is not None
    job = Job(
        spec=request.spec, store=opened.store.uri, cache=str(opened.home.cache), data=None, encoder_folder=request.folder,
        num_threads=1, num_workers=1, use_gpu=False, stop_below=(), checkpoint_every_s=1e-6,
    )  # fmt: skip
    with watched(opened.store.progress_folder(request.key), 0.002) as peak:
        published = run_stage(job, opened.store, lambda _: None)
    costs, stages = CostModel(opened.study, opened.base, DataSamples(None, opened.home.cache)), list(all_stages(walk.programs, ()))
    none, one = (study_disk(stages, costs, number, is_store_here=True).store_peak_gb for number in (0, 1))
    counted = (one - none) * 1e9
    assert counted / 2 < peak.num_bytes < counted
    assert counted == pytest.approx(12 * sum(file.num_bytes for file in published.files), rel=0.1)


def test_a_bound_is_of_what_a_hand_adds_up(tmp_path):
    """XLM-R Base: 277.5 million weights, MNLI's head and a tokenizer of 25 MB, of two points with three seeds each."""
    path = tmp_path / "study.yaml"
    path.write_text(
        "name: large\nmodels: {base: {family: xlm_roberta, hub: xlm-roberta-base}}\ntargets: {xnli: {languages: [en]}}\n"
        "search: {trials: 2, replicates: 3}\nresources: {max_concurrent: 1}\n"
    )
    found = count(open_study(path, tmp_path / "home", None)).disk
    assert found is not None
    files = 4 * 277_453_056 + 25_000_200 + 4 * (768**2 + 3 * 768 + 100 * 769)
    records = 9 * 64_000 + 3 * 5_010 * 200
    assert found.store_peak_gb * 1e9 == pytest.approx((6 + 1 + 12) * files + records)
    assert found.store_end_gb * 1e9 == pytest.approx((3 + 1) * files + records), "three replicates of the winner, and what is registered"
    elsewhere = count(open_study(path, tmp_path / "home", None, "mock://elsewhere")).disk
    assert elsewhere is not None
    assert (elsewhere.machine_gb - found.machine_gb) * 1e9 == pytest.approx((3 + 12) * files), "copies of winners, and progress"
