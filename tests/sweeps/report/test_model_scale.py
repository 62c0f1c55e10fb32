"""Gain against size: of two intermediates in one study, the gain of one grows as planted, that of the other stays."""

import math

import numpy as np
import pytest
from toy_study import Toy, toy_study

from sweeps.analysis import ModelScale
from sweeps.report.answer import make_answer
from sweeps.report.answers import Answer, Evidence
from sweeps.report.arms import read_arms
from sweeps.report.cells import build_cells
from trainables.store import Store

SIZES = {"small": 10**6, "middle": 10**7, "large": 10**8}


@pytest.fixture
def answer(tmp_path) -> Answer:
    store = Store(str(tmp_path / "store"), tmp_path / "cache")
    parts = [
        toy_study(store, Toy({"grows": 0.3 * place, "stays": 0.4}, {"xnli": "accuracy"}, model=model, num_parameters=SIZES[model]))
        for place, model in enumerate(SIZES)
    ]
    encoders = {f"{place} {name}": manifest for place, part in enumerate(parts) for name, manifest in part.encoders.items()}
    result = parts[0]._replace(
        pairs=tuple(pair for part in parts for pair in part.pairs), encoders=encoders, analysis=ModelScale(kind="model_scale")
    )
    arms = read_arms(result, store)
    return make_answer(Evidence(result, arms, build_cells(result, arms), ()))


def test_each_pair_has_a_slope_of_its_own(answer):
    table = next(table for table in answer.tables if table.name == "model_scale_pairs")
    assert [(row[0], row[2], row[4]) for row in table.rows] == [
        ("grows -> xnli", "3", "grows"),
        ("stays -> xnli", "3", "is not shown to change"),
    ]
    assert "Of 2 pairs, each by itself, it grows in 1 and is not shown to change in 1." in answer.paragraph
    gains = [next(float(_number(row[1])) for row in _matrix(answer, model) if row[0] == "grows") for model in SIZES]
    planted = np.polyfit([math.log10(size) for size in SIZES.values()], gains, 1)[0]
    assert float(_number(table.rows[0][3])) == pytest.approx(planted, abs=0.1)


def _matrix(answer: Answer, model: str) -> tuple[tuple[str, ...], ...]:
    return next(table.rows for table in answer.others if table.name == f"matrix_{model}")


def _number(cell: str) -> str:
    """Of `−0.7 [−1.5, +0.1]`."""
    return cell.split()[0].replace("−", "-")
