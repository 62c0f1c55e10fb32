"""Useful tokens per second of one pass over a split: ours against Hugging Face's `Trainer.predict`, in the same run, on the same rows.

    python benchmarks/eval_throughput.py [--profiles nli tagging qa] [--rounds N] [--rows N] [--threads N]
        [--precision float32|bfloat16] [--json FILE]

A small XLM-R with the full vocabulary and random weights, the same ones for all, predicts every row; each goes once a round, in another
order each round, and a ratio is that of a round. Ours is `trainables.inference.predict`, with bfloat16 weights where this processor
multiplies matrices faster so, which is measured first; else all compute in float32, and the bfloat16 setting is left out.
`Trainer.predict` goes at its default, 8 rows in the order of the data, in 64 rows, and in 64 rows that were sorted by length before;
its rows are tensors already. All have seen a batch before. First all must agree: in float32 to 1e-4 in every logit.
"""

import argparse
import functools
import tempfile
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from peers import (
    CPU,
    PROFILES,
    QUIET,
    SIZES,
    TASK,
    Profile,
    Rows,
    Seconds,
    Stopwatch,
    add_arguments,
    collate,
    describe,
    faster_precision,
    interleave,
    make_features,
    make_ours,
    make_peer,
    print_table,
    write_json,
)
from transformers import Trainer, TrainingArguments

from trainables.features import IGNORED, Features
from trainables.inference import predict
from trainables.packing import take

OURS = "ours"
TOLERANCE = 1e-4


class Predictor(NamedTuple):
    """What is timed, and what makes logits in the order of the features of it, which is not: those of `trainables.inference.predict`."""

    run: Callable[[Features], Any]
    logits: Callable[[Features, Any], NDArray[np.float32]]


def peer(profile: Profile, is_sorted: bool, **arguments: Any) -> Predictor:
    """`Trainer.predict`."""
    with tempfile.TemporaryDirectory() as folder:
        given = TrainingArguments(output_dir=folder, use_cpu=True, dataloader_pin_memory=False, **QUIET, **arguments)
        trainer = Trainer(model=make_peer(SIZES["tiny"], profile), args=given, data_collator=collate)

    def order_of(features: Features) -> NDArray[np.int64]:
        lengths = np.diff(features.offsets)
        return np.argsort(lengths, kind="stable") if is_sorted else np.arange(len(lengths))

    def logits(features: Features, found: Any) -> NDArray[np.float32]:
        lengths, place_S = np.diff(features.offsets), np.argsort(order_of(features))
        if profile.kind == "classification":
            return found[place_S]
        padded = np.stack(found, axis=-1) if profile.kind == "span_qa" else found
        return np.concatenate([padded[place, :length] for place, length in zip(place_S, lengths, strict=True)])

    return Predictor(lambda features: trainer.predict(Rows(features, order_of(features))).predictions, logits)


def ours(profile: Profile, precision: str) -> Predictor:
    """Ours, with weights of this precision."""
    model = make_ours(SIZES["tiny"], profile, precision)
    model.to(getattr(torch, precision))
    return Predictor(functools.partial(predict, model, task=TASK), lambda _, found: found)


def predictors(profile: Profile, precision: str) -> dict[str, Predictor]:
    """All that are compared."""
    found = {
        OURS: ours(profile, precision),
        "Trainer, 8": peer(profile, is_sorted=False),
        "Trainer, 64": peer(profile, is_sorted=False, per_device_eval_batch_size=64),
        "Trainer, 64, sorted": peer(profile, is_sorted=True, per_device_eval_batch_size=64),
    }
    if precision == "bfloat16":
        found["Trainer, 64, sorted, bfloat16"] = peer(profile, is_sorted=True, per_device_eval_batch_size=64, bf16_full_eval=True)
    return found


def answers(features: Features, logits: NDArray[np.float32]) -> NDArray[np.int64]:
    """What is predicted: the class of each row or token, or the first and the last token of each answer."""
    if features.kind != "span_qa":
        return logits.argmax(1)
    return np.stack([logits[begin:end].argmax(0) for begin, end in zip(features.offsets, features.offsets[1:], strict=False)])


def logits_of(predictor: Predictor, features: Features) -> NDArray[np.float32]:
    """Of tags where there is one, for ours says nothing of other tokens."""
    logits = predictor.logits(features, predictor.run(features))
    return logits[features.targets != IGNORED] if features.kind == "tagging" else logits


def agreement(profile: Profile, features: Features, found: dict[str, Predictor]) -> dict[str, float]:
    """The share of predictions that are those of `Trainer`'s default; an AssertionError if ours in float32 has other logits."""
    expected = logits_of(found["Trainer, 8"], features)
    furthest = float(np.abs(logits_of(ours(profile, "float32"), features) - expected).max())
    assert furthest <= TOLERANCE, f"a logit in float32 is {furthest:.1e} from Trainer's"
    shares = {
        name: float(np.mean(answers(features, logits_of(each, features)) == answers(features, expected))) for name, each in found.items()
    }
    print(f"same predictions as Trainer's: {', '.join(f'{name} {share:.2%}' for name, share in shares.items())};", end=" ")
    print(f"float32 logits differ by at most {furthest:.1e}")
    return shares


def compare(profile: Profile, precision: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Prints the profile's table, and gives what is in it."""
    features = make_features(profile, arguments.rows or profile.num_rows)
    print(f"\n{describe(profile, features)}")
    found = predictors(profile, precision)
    shares = agreement(profile, take(features, np.arange(min(256, features.num_examples))), found)

    def timed(name: str) -> Seconds:
        with Stopwatch() as watch:
            found[name].run(features)
        return watch.seconds

    seconds = interleave({name: functools.partial(timed, name) for name in found}, arguments.rounds)
    best = print_table(seconds, OURS, len(features.token_ids))
    num_tokens = len(features.token_ids)
    return {"rows": features.num_examples, "tokens": num_tokens, "seconds": seconds, "best_peer": best, "agreement": shares}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    precision = arguments.precision or faster_precision(CPU)
    print(f"torch {torch.__version__}, {arguments.threads} threads, ours in {precision}; median of {arguments.rounds} rounds")
    found = {name: compare(PROFILES[name], precision, arguments) for name in arguments.profiles}
    write_json({"threads": arguments.threads, "precision": precision, "profiles": found}, arguments.json)


if __name__ == "__main__":
    main()
