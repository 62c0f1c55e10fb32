"""Text models over the workers of a cluster by Ray Data: an actor for each worker, which loads the model once."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import ray.data
import torch
from pydantic import TypeAdapter

from trainables.specs import Generate, Job, TranslationModel
from trainables.text_models import Written, load_text_model

_SETTINGS: TypeAdapter[TranslationModel | Generate] = TypeAdapter(TranslationModel | Generate)


def write_on_workers(
    settings: TranslationModel | Generate, batches: Mapping[int, Sequence[str]], job: Job
) -> Iterator[tuple[int, list[Written]]]:
    """What the model writes for each batch, by its number, in the order in which `job.num_workers` workers come to them.

    A batch goes to a worker whole, so that what is written does not depend on how many there are. Whoever calls this must hold none of the
    resources that the workers need.
    """
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.scheduling_strategy = "SPREAD"  # not the placement of the trial that asks, which holds a slot alone
    rows = [{"number": number, "texts": json.dumps(texts)} for number, texts in batches.items()]
    written = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        _Worker,
        fn_constructor_args=(_SETTINGS.dump_json(settings).decode(), job.places, job.num_threads, job.use_gpu),
        batch_size=1,
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(size=min(job.num_workers, len(rows))),
        num_cpus=job.num_threads,
        num_gpus=1 if job.use_gpu else 0,
    )
    for row in written.iter_rows():
        yield int(row["number"]), [Written(*each) for each in json.loads(row["written"])]


class _Worker:
    def __init__(self, settings: str, places: Sequence[tuple[str, str]], num_threads: int, use_gpu: bool) -> None:
        torch.set_num_threads(num_threads)
        device = torch.device("cuda" if use_gpu else "cpu")
        self._model = load_text_model(_SETTINGS.validate_json(settings), dict(places), device)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        numbers = [int(number) for number in batch["number"]]
        written = [self._model(json.loads(texts), number) for texts, number in zip(batch["texts"], numbers, strict=True)]
        return {"number": numbers, "written": [json.dumps(each) for each in written]}
