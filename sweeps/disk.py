"""How much disk a study takes, at most: in its store while it runs and after it, and on a machine beside the store.

    store while it runs = the files of encoders that pairs share, and of each pair's best point and round + records
                        + what is registered, which an earlier run may have left
                        + for each stage that runs at once, 3 progress checkpoints
    store at the end    = the files of encoders that pairs share and of winners + records
                        + for each model and target, the files of the one that is registered
    machine             = prepared data + MLflow and report
                        + for each stage that runs at once, its files before they are published, and what its frozen layers gave
                        + if the store is elsewhere, copies of the files that it has at the end and the progress checkpoints

The files of a training are its encoder with heads and tokenizer, and a decoder if it writes. What loses a search keeps them until the end
of its round, and the walk takes all pairs forward side by side, so that at one time a round of each may be there. Nothing is counted as
pruned. A progress checkpoint is weights, two moments and the best weights so far; two are kept while a third is written. Records are
manifests, scored examples and what models wrote.

What dies half-way, or fails, leaves files that are not counted, until `polystilts cache gc`.
"""

from collections.abc import Iterable

from sweeps.cost import BYTES_PER_PARAMETER, CostModel, Planned
from sweeps.encoder_shapes import Encoder
from trainables.specs import BenchmarkSpec, EvaluateSpec, InitSpec, Record, Spec, SynthesizeSpec, TrainSpec
from trainables.task import TASKS

_NUM_PROGRESS = 3
_COPIES_IN_PROGRESS = 4
"""Of the weights, in one checkpoint."""
_MANY_LABELS = 100
"""Of a task whose labels are in its files."""
_TOKENIZER_BYTES = 100
"""Of an entry of a vocabulary, in the files that a tokenizer is saved as: 68 of XLM-R's, with spaces between."""
_STAGE_BYTES = 64_000
"""Of a stage's manifest and small files, each in whole blocks; as many again in MLflow."""
_HOME_BYTES = 10_000_000
"""Of MLflow's database and the report of a study of no stages."""
_SCORED_BYTES = 200
"""Of a scored example: its id, its counts, and a prediction that is a label, a rank or a short answer."""
_TAG_BYTES = 10
_WRITTEN_BYTES_PER_TOKEN = 40
"""Of text that a model wrote: as it is kept, and as it waits to be published, where a letter can be six bytes."""
_TIME_BYTES = 64
"""Of one time of a benchmark, with its setting."""


class StudyDisk(Record):
    """Upper bounds, in 10^9 bytes, of a study that nothing else shares its store with."""

    store_peak_gb: float
    store_end_gb: float
    machine_gb: float
    """Of each machine, beside the store: prepared data, temporary files, and MLflow where the driver is."""
    num_at_once: int
    """Stages that are taken to run at the same time."""


def study_disk(stages: Iterable[Planned], costs: CostModel, num_at_once: int, *, is_store_here: bool) -> StudyDisk:
    """Of the stages of a study, of which so many run at once; what `costs` does not know is not counted, and named there."""
    there = kept = records = largest = 0.0
    num_trainings = num_stages = 0
    registered: dict[tuple[str, str], float] = {}
    for planned in stages:
        files, number = _files_bytes(planned, costs), planned.number
        there += planned.num_there * files
        kept += planned.num_kept * files
        records += number * (_STAGE_BYTES + _record_bytes(planned.model, planned.spec, costs))
        num_stages += number
        if planned.target is not None:
            registered[planned.model, planned.target] = files
        if isinstance(planned.spec, TrainSpec):
            largest = max(largest, files)
            num_trainings += number
    progress = min(num_at_once, num_trainings) * _NUM_PROGRESS * _COPIES_IN_PROGRESS * largest
    scratch = min(num_at_once, num_trainings) * (largest + costs.states_bytes)
    machine = sum(costs.prepared_bytes.values()) + _HOME_BYTES + num_stages * _STAGE_BYTES + scratch
    winners = sum(registered.values())
    return StudyDisk(
        store_peak_gb=(there + winners + records + progress) / 1e9,
        store_end_gb=(kept + winners + records) / 1e9,
        machine_gb=(machine + (0.0 if is_store_here else kept + progress)) / 1e9,
        num_at_once=num_at_once,
    )


def _files_bytes(planned: Planned, costs: CostModel) -> float:
    """Of one of these stages, if it makes an encoder of a known shape."""
    encoder, spec = costs.encoder(planned.model), planned.spec
    if encoder is None or not isinstance(spec, InitSpec | TrainSpec):
        return 0.0
    number = encoder.num_parameters
    if isinstance(spec, TrainSpec):
        number += sum(_head_parameters(encoder, task) for task in {entry.train.task for entry in spec.mixture})
        number += 0 if spec.form is None else _decoder_parameters(encoder)
    return number * BYTES_PER_PARAMETER + encoder.vocabulary_size * _TOKENIZER_BYTES


def _head_parameters(encoder: Encoder, task: str) -> int:
    """At most: a square layer with a norm, and a row for each class; masked tokens have the embeddings for rows."""
    size, kind = encoder.shape.hidden_size, TASKS.load(task).kind
    num_classes = max(_MANY_LABELS, len(TASKS.load(task).labels))
    return size * size + 3 * size + (encoder.vocabulary_size if kind == "mlm" else num_classes * (size + 1))


def _decoder_parameters(encoder: Encoder) -> int:
    """As many as the encoder, whose embeddings are as large as its last matrix, and attention to what was read."""
    shape = encoder.shape
    return encoder.num_parameters + shape.num_layers * (4 * shape.hidden_size * shape.width + shape.hidden_size)


def _record_bytes(model: str, spec: Spec, costs: CostModel) -> float:
    """Of what a stage found out, beside its manifest."""
    if costs.encoder(model) is None:
        return 0.0
    match spec:
        case EvaluateSpec():
            found = ((data, costs.amount(model, data, spec.max_length)) for data in spec.data)
            sizes = ((amount, _TAG_BYTES if TASKS.load(data.task).kind == "tagging" else 0) for data, amount in found if amount is not None)
            return sum(amount.num_units * (_SCORED_BYTES + amount.tokens * per_token) for amount, per_token in sizes)
        case SynthesizeSpec():
            source = costs.text_of(model, spec.made_from)
            if source is None:
                return 0.0
            number = spec.by.num_examples if spec.by.method == "generate" else source.num_units
            return number * (_SCORED_BYTES + source.tokens * _WRITTEN_BYTES_PER_TOKEN)
        case BenchmarkSpec():
            settings = len(spec.batch_sizes) * len(spec.lengths) * len(spec.precisions) * max(len(spec.data), 1)
            return _TIME_BYTES * len(spec.arms) * spec.blocks * spec.repetitions * settings
        case _:
            return 0.0
