"""The pocket twins of the six studies: each plans, and run as a user runs it, each answers what was planted.

The runs are no part of plain `pytest`: `make studies` asks for them, in the home that POLYSTILTS_HOME names; elsewhere they go away.
"""

import functools
import json
import os
import re
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from sweeps.estimate import count
from sweeps.opened import open_study
from sweeps.study_file import load_study
from tests.sweeps.processes import command, environment
from trainables.pocket.sized_encoders import SIZES, write_encoder
from trainables.pocket.truth import is_helpful
from trainables.pocket.world import LANGUAGES
from trainables.tasks.pocket_flavour_repeated import NUM_COPIES

ROOT = Path(__file__).parents[2]
STUDIES = ROOT / "sweeps" / "studies"
ALONE = ("encoder", "select")
"""Pocket studies that are nobody's twin."""
TWINS = sorted({path.stem.removeprefix("pocket_") for path in STUDIES.glob("pocket_*.yaml")} - {*ALONE})


class Finished(NamedTuple):
    """What a twin left behind."""

    answer: str
    cells: list[dict[str, object]]
    """`matrix.csv`."""
    tables: dict[str, list[dict[str, object]]]
    scores: list[dict[str, object]]
    """`results.parquet`, but for dev scores."""


def twin_of(name: str, home: Path) -> Path:
    """The twin's file; what it reads is made below `home`."""
    for size in SIZES if name == "model_scale" else ():
        write_encoder(size, home / "pocket_sizes" / size.name)
    text = (
        (STUDIES / f"pocket_{name}.yaml").read_text().replace("../../runs", str(home)).replace("../../trainables", str(ROOT / "trainables"))
    )
    path = home / f"pocket_{name}.yaml"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def finish(tmp_path_factory) -> Callable[[str], Finished]:
    """Runs a twin to its end, once."""
    given = os.environ.get("POLYSTILTS_HOME")
    home = Path(given).absolute() if given else tmp_path_factory.mktemp("runs")
    home.mkdir(parents=True, exist_ok=True)
    return functools.cache(functools.partial(_finish, home=home))


def _finish(name: str, home: Path) -> Finished:
    path, began = twin_of(name, home), time.monotonic()
    done = subprocess.run([*command(path, home), "--json"], stdout=subprocess.PIPE, text=True, check=True, env=environment())
    answer = json.loads(done.stdout)["answer"]
    print(f"\npocket_{name}, {(time.monotonic() - began) / 60:.1f} min: {answer}")
    report = home / "reports" / f"pocket_{name}"
    tables = {path.stem: pyarrow.csv.read_csv(path).to_pylist() for path in sorted((report / "tables").glob("*.csv"))}
    scores = [row for row in pq.read_table(report / "results.parquet").to_pylist() if row["split"] == "test"]
    return Finished(answer, pyarrow.csv.read_csv(report / "matrix.csv").to_pylist(), tables, scores)


def interval(text: str) -> tuple[float, float, float]:
    """Of `+1.2 [−0.3, +2.7]`, as people read it."""
    value, low, high = (float(number) for number in re.findall(r"[+-]?\d+(?:\.\d+)?", text.replace("−", "-"))[:3])
    return value, low, high


@pytest.mark.parametrize("name", TWINS)
def test_every_twin_plans_offline_and_has_a_study_of_full_size(name, tmp_path):
    assert load_study(STUDIES / f"{name}.yaml").name == name
    counts = count(open_study(twin_of(name, tmp_path), tmp_path / "runs", None))
    assert 0 < counts.to_run == counts.stages < 400, "minutes, on two cores"
    assert not counts.absent


@pytest.mark.studies
def test_the_paper_s_twin_finds_which_intermediates_help(finish):
    study = load_study(STUDIES / "pocket_phang2020.yaml")
    cells = [cell for cell in finish("phang2020").cells if cell["intermediate"] != "none"]
    assert len(cells) == len(study.intermediates) * 2 * len(study.targets)
    for cell in cells:
        pair = cell["intermediate"], cell["target"], cell["variant"], cell["gain"], cell["gain_low"], cell["gain_high"]
        is_planted = is_helpful(study.mixture(str(cell["intermediate"])).tasks, str(cell["target"]))
        assert (cell["gain_low"] > 0) == is_planted, pair
    null = [cell for cell in cells if (cell["intermediate"], cell["target"]) == ("pocket_colour_class", "pocket_rank_choice")]
    assert [cell["variant"] for cell in null] == ["base", "mlm"]
    assert all(cell["gain_low"] < 0 < cell["gain_high"] for cell in null), "colours neither help nor hurt ranks"


@pytest.mark.studies
@pytest.mark.parametrize("name", [name for name in TWINS if name.startswith("latency")])
def test_latency_is_equivalent_where_weights_alone_differ(finish, name):
    rows = finish(name).tables["latency"]
    assert rows
    for row in rows:
        assert row["verdict"] == "equivalent", f"{row}; a machine that does other things leaves it undecided: time again, in another home"
        assert interval(str(row["gain"]))[1] > 0, "accuracy does differ"


@pytest.mark.studies
def test_the_gain_grows_with_size_as_planted_and_only_there(finish):
    found = finish("model_scale")
    of_language = defaultdict[tuple[str, str], dict[str, float]](dict)
    for intermediate in ("none", "pocket_flavour"):
        for size in SIZES:
            for language in LANGUAGES:
                rows = [
                    row["value"]
                    for row in found.scores
                    if (row["model"], row["intermediate"], row["target"], row["language"], row["metric"])
                    == (size.name, intermediate, "pocket_flavour_class", language, "accuracy")
                ]
                of_language[size.name, intermediate][language] = 100 * float(np.mean(rows))
    largest = {language: of_language["x8", "pocket_flavour"][language] - of_language["x8", "none"][language] for language in LANGUAGES}
    gains = [sum(largest[language] for language in LANGUAGES[: size.num_languages]) / len(LANGUAGES) for size in SIZES]
    for size in SIZES:
        for language in LANGUAGES[size.num_languages :]:
            assert of_language[size.name, "none"][language] == of_language[size.name, "pocket_flavour"][language] == pytest.approx(100 / 3)
    planted = float(np.polyfit(np.log10([size.factor for size in SIZES]), gains, 1)[0])

    slopes = {str(row["pair"]): row for row in found.tables["model_scale_pairs"]}
    value, low, high = interval(str(slopes["pocket_flavour -> pocket_flavour_class"]["points for ten times the parameters"]))
    assert 0 < low < planted < high
    assert value == pytest.approx(planted, rel=0.05), "heads have parameters too"
    value, low, high = interval(str(slopes["pocket_flavour -> pocket_flavour_qa"]["points for ten times the parameters"]))
    assert low < 0 < high
    assert abs(value) < 0.5
    assert "grows with model size" in found.answer


@pytest.mark.studies
def test_an_encoder_whose_heads_alone_were_trained_gains_exactly_nothing(finish):
    cells = {str(cell["variant"]): cell for cell in finish("layerwise").cells if cell["intermediate"] != "none"}
    head = cells["encoder-head"]
    assert (head["gain"], head["gain_low"], head["gain_high"]) == (0, 0, 0)
    assert cells["base"]["gain_low"] > 0
    assert cells["base"]["gain"] > cells["encoder-bias_norm"]["gain"]


@pytest.mark.studies
def test_one_human_example_is_worth_four_of_those_that_are_there_four_times(finish):
    words = re.search(r"One example of human is worth (.*?) of synthetic", finish("data_scaling").answer)
    assert words is not None
    _, low, high = interval(words[1])
    assert 1 < low <= NUM_COPIES <= high
