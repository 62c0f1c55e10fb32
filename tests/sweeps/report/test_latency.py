"""The report of benchmarks: ratio and verdict beside the gain, every setting in the table, accuracy against latency."""

import json
import math
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from toy_study import Toy, toy_study

from sweeps.report.write import write_report
from sweeps.results import BenchmarkResult, StudyResult
from trainables.benchmark import Setting, Timed
from trainables.benchmark_names import ARM_NAMES, TIMES_FILE
from trainables.benchmark_stage import _speeds, _table
from trainables.manifest import Manifest, Measurement
from trainables.store import Store

TOY = Toy({"mnli": 0.4, "ccg": 0.0}, {"xnli": "accuracy"})
SETTINGS = [Setting(language, 8, length, "float32") for language in ("en", "de") for length in ("text", "64")]


def publish_benchmark(store: Store, ratio: float, like: Manifest) -> Manifest:
    """Passes of two arms with a planted ratio, as the stage would have published them."""
    random = np.random.default_rng(round(1000 * ratio))
    times = [
        Timed(
            setting, block, repetition, place, arm, 0.01 * (ratio if arm else 1) * math.exp(random.normal(0, 0.005)), 8, 512, 20 + 4 * arm
        )
        for setting in SETTINGS
        for block in range(12)
        for repetition in range(4)
        for place, arm in enumerate((0, 1) if repetition % 2 else (1, 0))
    ]
    memory = [
        (f"peak_memory_bytes batch 8 length {setting.length} float32 {arm}", setting.language, 2.0**28)
        for setting in SETTINGS
        for arm in ARM_NAMES
    ]
    facts = [(fact.metric, fact.language, fact.value) for fact in _speeds(times, ARM_NAMES)] + memory
    facts += [(f"{name} {arm}", "any", 1e6) for name in ("num_parameters", "checkpoint_bytes") for arm in ARM_NAMES]
    facts.append(("tokens_per_word", "de", 1.75))
    measurements = tuple(
        Measurement(task="xnli", language=language, split="test", metric=metric, value=value, n=48) for metric, language, value in facts
    )
    manifest = Manifest.model_validate(
        {
            **dict(like),
            "key": f"benchmark-{round(1000 * ratio):016d}",
            "spec": {"kind": "benchmark"},
            "measurements": measurements,
            "conditions": {"device": "toy"},
        }
    )
    with TemporaryDirectory() as folder:
        pq.write_table(_table(times, ARM_NAMES), Path(folder) / TIMES_FILE)
        return store.publish(manifest, Path(folder))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a study in which one intermediate changes no latency and the other 5% of it; a third benchmark failed."""
    folder = tmp_path_factory.mktemp("timed")
    store = Store(str(folder / "store"), folder / "cache")
    result = toy_study(store, TOY)
    baseline, mnli, ccg = result.pairs
    like = baseline.evaluations[0].manifest
    benchmarks = (
        BenchmarkResult(mnli.pair, baseline.pair, 0.02, None, publish_benchmark(store, 1.0, like), None),
        BenchmarkResult(ccg.pair, baseline.pair, 0.02, None, publish_benchmark(store, 1.05, like), None),
        BenchmarkResult(ccg.pair._replace(target="panx"), baseline.pair, 0.02, None, None, "train-0 failed: <planted>"),
    )
    return write_report(result._replace(benchmarks=benchmarks), store, folder / "report").folder


def test_every_setting_has_both_arms_and_the_planted_verdict(written: Path) -> None:
    rows = pq.read_table(written / "benchmarks.parquet").to_pylist()
    assert len(rows) == 2 * len(SETTINGS) * 2
    for row in rows:
        assert row["num_passes"] == 48
        assert row["written_tokens"] == {"direct": 2.5, "intermediate": 3.0}[row["arm"]]
        assert row["examples_per_s"] == pytest.approx(8 / row["p50_ms"] * 1000, rel=0.01)
        assert row["p50_ms"] < row["p95_ms"] <= row["p99_ms"]
        assert json.loads(row["conditions"]) == {"device": "toy"}
        if row["arm"] == "direct":
            assert (row["intermediate"], row["ratio"], row["verdict"]) == ("none", None, None)
        else:
            planted = {"mnli": 1.0, "ccg": 1.05}[row["intermediate"]]
            assert row["ratio"] == pytest.approx(planted, abs=0.01)
            assert row["verdict"] == {"mnli": "equivalent", "ccg": "different"}[row["intermediate"]]
            assert row["ratio_low"] < row["ratio_low_90"] < row["ratio"] < row["ratio_high_90"] < row["ratio_high"]


def test_the_page_sets_the_verdict_beside_the_gain(written: Path) -> None:
    page = (written / "report.html").read_text()
    section = page[page.index('<section id="latency">') : page.index('<section id="curves">')]
    assert "<b>equivalent</b>" in section
    assert "<b>different</b>" in section
    assert "4 equivalent" in section
    assert "<td>3.00 <small>direct 2.50</small></td>" in section, "tokens that are written"
    assert "Tokens a word: de 1.75" in section
    assert "train-0 failed: &lt;planted&gt;" in section
    mnli = section[section.index("mnli -&gt; xnli") :]
    assert "<b>+" in mnli[: mnli.index("</tr>")], "the gain of the pair"


def test_the_figure_has_a_point_for_each_pair_and_one_for_the_baseline(written: Path) -> None:
    figure = ElementTree.fromstring((written / "pareto.svg").read_bytes())
    space = "{http://www.w3.org/2000/svg}"
    titles = [element.text for element in figure.iter(f"{space}title")]
    assert [str(title).split(":")[1].strip() for title in titles] == ["mnli", "none", "ccg"]
    circles = list(figure.iter(f"{space}circle"))
    hollow = [circle.get("fill") == "none" for circle in circles]
    assert hollow[2], "the slower one, which gains nothing on mnli, is beaten in both"
    assert float(circles[2].get("cx", 0)) > float(circles[0].get("cx", 0))


def test_a_study_that_times_nothing_has_no_such_files(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"), tmp_path / "cache")
    result: StudyResult = toy_study(store, TOY)
    folder = write_report(result, store, tmp_path / "report").folder
    assert not {"benchmarks.parquet", "pareto.svg"} & {path.name for path in folder.iterdir()}
    assert 'id="latency"' not in (folder / "report.html").read_text()


def test_single_times_are_read_from_the_store(written: Path) -> None:
    (path,) = written.parent.glob(f"store/artifacts/benchmark-{1050:016d}/*/{TIMES_FILE}")
    table: pa.Table = pq.read_table(path)
    assert len(table) == len(SETTINGS) * 12 * 4 * 2
