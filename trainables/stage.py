"""One stage, from its spec to its published manifest: the body of a trial."""

import copy
import functools
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple, cast

import torch
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils.logging import disable_progress_bar

from trainables.allocator import give_back_freed_memory, keep_freed_memory
from trainables.benchmark_names import TIMES_FILE
from trainables.benchmark_stage import Source, run_benchmark
from trainables.data import load_examples
from trainables.devices import device_memory_bytes, device_name, peak_memory_bytes, reset_peak_memory
from trainables.evaluate import evaluate_dev, load_dev_set, run_evaluation
from trainables.examples import texts_of
from trainables.feature_file import Prepared
from trainables.head_files import HeadShape
from trainables.interruption import IsInterrupted, never
from trainables.manifest import Cost, CurvePoint, DataUse, Effort, Manifest, Measurement
from trainables.masking import read_vocabulary
from trainables.model import add_decoder, empty_encoder, inherit_head, load_encoder, load_model, save_model, with_fresh_heads
from trainables.origins import with_labels
from trainables.prepare import data_use, prepare
from trainables.pretrained import NO_CODE
from trainables.progress import Point
from trainables.random_encoder import save_random_encoder
from trainables.ranks import is_first
from trainables.scratch import scratch_folder
from trainables.specs import (
    Architecture,
    BenchmarkSpec,
    DataSpec,
    EvaluateSpec,
    FolderEncoder,
    HubEncoder,
    InitSpec,
    Job,
    Precision,
    StageEncoder,
    SynthesizeSpec,
    TrainSpec,
    TransferSpec,
    parents_of,
)
from trainables.stage_log import failures_logged, stage_log
from trainables.store import Store
from trainables.synthesize import synthesize
from trainables.task import MLM_HEAD, TASKS, head_name
from trainables.text_to_text import KIND, label_names, label_words
from trainables.train import TaskData, train
from trainables.transferability import measure_transfer

Report = Callable[[CurvePoint], None]


class Outcome(NamedTuple):
    """What a stage found out, beside the files that it wrote."""

    data: tuple[DataUse, ...]
    status: Literal["done", "pruned"] = "done"
    measurements: tuple[Measurement, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
    score: float | None = None
    num_tokens: int = 0
    num_examples: int = 0
    effort: Effort | None = None
    conditions: Mapping[str, str] = MappingProxyType({})
    seconds_before: float = 0.0
    """Spent by attempts that died."""


def run_stage(job: Job, store: Store, report: Report, is_interrupted: IsInterrupted = never) -> Manifest:
    """Computes the stage of `job` and publishes it; dev evaluations go to `report` as they come.

    A training that is interrupted raises an InterruptedStageError; any other stage goes on to its end. Where a process group is up, every
    rank calls this; rank 0 alone publishes and keeps a log, and the others return what it wrote.
    """
    if not is_first():
        with failures_logged(store.files, job.spec.key):
            return _run_stage(job, store, report, is_interrupted)
    with stage_log(store.files, job.spec.key) as say:

        def report_and_say(point: CurvePoint) -> None:
            report(point)
            score = "" if point.score is None else f", dev {point.score:.4f}"
            say(f"step {point.step}, epoch {point.epoch:.2f}: loss {point.train_loss:.4f}{score}")

        manifest = _run_stage(job, store, report_and_say, is_interrupted)
        say(f"{manifest.cost.seconds:.1f} s on {manifest.cost.device}, {manifest.cost.num_tokens:,} tokens")
        return manifest


def make_ready(job: Job, store: Store) -> None:
    """Puts on this machine what a training or an evaluation reads: an encoder that a stage made, and its examples as tokens."""
    assert isinstance(job.spec, TrainSpec | EvaluateSpec), "others read nothing that lasts"
    source = _source(job.spec.encoder, job, store)
    tokenizer = _tokenizer(source)
    if isinstance(job.spec, TrainSpec):
        _prepared(job.spec, job, store, tokenizer)
        scored: list[tuple[str | None, DataSpec]] = [(head_name(each.train.task), dev) for each in job.spec.mixture for dev in each.dev]
    else:
        scored = [(job.spec.head, data) for data in (*job.spec.data, *job.spec.threshold_data)]
    for head, data in scored:
        written_for = None if job.spec.form is None else head
        prepare(data, job.data, tokenizer, job.spec.max_length, "score", job.cache, written_for=written_for)


def _run_stage(job: Job, store: Store, report: Report, is_interrupted: IsInterrupted) -> Manifest:
    started_at = time.time()
    torch.set_num_threads(job.num_threads)
    disable_progress_bar()
    device = torch.device("cuda", torch.cuda.current_device()) if job.use_gpu and not _is_driver(job) else torch.device("cpu")
    if device.type == "cpu":
        keep_freed_memory()
    reset_peak_memory(device)
    try:
        with scratch_folder() as folder:
            outcome = _outcome(job, store, device, report, is_interrupted, folder)
            return _publish(job, store, outcome, _cost(job, outcome, started_at, device), folder)
    finally:
        give_back_freed_memory()


def _outcome(job: Job, store: Store, device: torch.device, report: Report, is_interrupted: IsInterrupted, folder: Path) -> Outcome:
    """What the stage's own kind of work comes to; its files are written into `folder`."""
    match job.spec:
        case InitSpec():
            return _initialise(job.spec, job, folder)
        case TrainSpec():
            return _train(job.spec, job, store, device, report, is_interrupted, folder)
        case EvaluateSpec():
            return _evaluate(job.spec, job, store, device, folder)
        case BenchmarkSpec():
            return _benchmark(job.spec, job, store, device, folder)
        case TransferSpec():
            return _transfer(job.spec, job, store, device)
        case SynthesizeSpec():
            return Outcome(**synthesize(job.spec, job, device, store.progress_folder(job.spec.key), folder)._asdict())


def _initialise(spec: InitSpec, job: Job, folder: Path) -> Outcome:
    read = [load_examples(data, job.data, labelled=False) for data in spec.tokenizer_text]
    examples = [example for each in read for example in each.examples]
    save_random_encoder(spec, (text for example in examples for text in texts_of(example)), folder)
    uses = (
        DataUse(
            task=data.task,
            language=data.language,
            split=data.split,
            purpose="tokenizer",
            num_examples=len(each.examples),
            dropped=each.dropped,
            cut={},
        )
        for data, each in zip(spec.tokenizer_text, read, strict=True)
    )
    return Outcome(data=tuple(uses), num_examples=len(examples))


def _train(
    spec: TrainSpec, job: Job, store: Store, device: torch.device, report: Report, is_interrupted: IsInterrupted, folder: Path
) -> Outcome:
    source = _source(spec.encoder, job, store)
    tokenizer = _tokenizer(source)
    _check_length(spec, tokenizer)
    is_written = spec.form is not None
    prepared = _prepared(spec, job, store, tokenizer)
    dev_sets = [
        load_dev_set(head_name(entry.train.task), dev, job.data, tokenizer, spec.max_length, job.cache, is_written)
        for entry in spec.mixture
        for dev in entry.dev
    ]
    tasks = {head_name(entry.train.task): with_labels(TASKS.load(entry.train.task), entry.train, job.data) for entry in spec.mixture}
    shapes = [
        HeadShape(name, KIND, label_names(task), label_words(tokenizer, label_names(task)))
        if is_written
        else HeadShape(name, task.kind, task.labels)
        for name, task in tasks.items()
    ]
    is_sharded = job.is_sharded and job.num_workers > 1
    # the first rank's weights are everybody's where they are sharded, and wait on the CPU
    encoder = copy.deepcopy(_base_encoder(source)) if is_first() or not is_sharded else empty_encoder(*source)
    model = with_fresh_heads(spec.family, encoder, shapes, spec.seed, spec.precision)
    if spec.form is not None:
        add_decoder(model, *source, spec.seed, spec.form)
    inherit_head(model, source.folder_or_hub, MLM_HEAD)
    trained = train(
        model if is_sharded else model.to(device),
        spec,
        [TaskData(head_name(entry.train.task), each.features) for entry, each in zip(spec.mixture, prepared, strict=True)],
        read_vocabulary(tokenizer),
        evaluate_dev=lambda model: evaluate_dev(model, dev_sets),
        report=lambda point: report(_curve_point(point)),
        dev_features=[dev_set.features for dev_set in dev_sets],
        stop_below=job.stop_below,
        checkpoints=store.progress_folder(spec.key),
        checkpoint_every_s=job.checkpoint_every_s,
        fetch_checkpoints=store.fetch_progress,
        keep_checkpoints=store.keep_progress,
        is_interrupted=is_interrupted,
        shard_on=device if is_sharded else None,
    )
    if trained.status == "done" and is_first():
        save_model(model, tokenizer, folder)
    trained_on = [data_use(entry.train, "train", each) for entry, each in zip(spec.mixture, prepared, strict=True)]
    return Outcome(
        status=trained.status,
        measurements=trained.kept.dev if trained.kept is not None else (),
        curve=tuple(_curve_point(point) for point in trained.curve),
        score=trained.kept.score if trained.kept is not None else None,
        data=(*trained_on, *(dev_set.use for dev_set in dev_sets)),
        num_tokens=trained.num_tokens,
        num_examples=trained.num_examples,
        effort=Effort(**trained.effort._asdict()),
        seconds_before=trained.seconds_before,
    )


def _prepared(spec: TrainSpec, job: Job, store: Store, tokenizer: PreTrainedTokenizerBase) -> list[Prepared]:
    """What each entry of the mixture trains on."""
    return [
        prepare(
            entry.train,
            job.data,
            tokenizer,
            spec.max_length,
            "train",
            job.cache,
            _artifact(entry.train, store),
            None if spec.form is None else head_name(entry.train.task),
        )
        for entry in spec.mixture
    ]


def _evaluate(spec: EvaluateSpec, job: Job, store: Store, device: torch.device, folder: Path) -> Outcome:
    source = _source(spec.encoder, job, store)
    _check_length(spec, _tokenizer(source))
    model = load_model(spec.family, source.folder_or_hub, spec.precision, source.revision, spec.form).to(device, _dtype(spec.precision))
    found = run_evaluation(spec, model, _tokenizer(source), job.data, job.cache, folder / "examples.parquet")
    return Outcome(measurements=found.measurements, data=found.data, num_tokens=found.num_tokens, num_examples=found.num_examples)


def _transfer(spec: TransferSpec, job: Job, store: Store, device: torch.device) -> Outcome:
    source = _source(spec.encoder, job, store)
    tokenizer = _tokenizer(source)
    _check_length(spec, tokenizer)
    model = load_model(spec.family, source.folder_or_hub, spec.precision, source.revision).to(device, _dtype(spec.precision))
    (data,) = spec.data
    prepared = prepare(data, job.data, tokenizer, spec.max_length, "train", job.cache, _artifact(data, store))
    return Outcome(measurements=(measure_transfer(spec, model, prepared.features),), data=(data_use(data, "train", prepared),))


def _dtype(precision: Precision) -> torch.dtype:
    """Of weights that are only evaluated."""
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def _benchmark(spec: BenchmarkSpec, job: Job, store: Store, device: torch.device, folder: Path) -> Outcome:
    sources = [None if isinstance(arm, Architecture) else _source(arm, job, store) for arm in spec.arms]
    for source in sources:
        if source is not None:
            _check_length(spec, _tokenizer(source))
    found = run_benchmark(spec, sources, _tokenizer, device, job.data, job.cache, folder / TIMES_FILE)
    return Outcome(**found._asdict())


def _artifact(data: DataSpec, store: Store) -> Path | None:
    """The files of the stage that made some examples, if one did."""
    return None if data.stage is None else store.fetch(data.stage)


def _is_driver(job: Job) -> bool:
    """Whether the work is done by workers elsewhere, who hold the GPUs."""
    return isinstance(job.spec, SynthesizeSpec) and job.num_workers > 1


def _check_length(spec: TrainSpec | EvaluateSpec | BenchmarkSpec | TransferSpec, tokenizer: PreTrainedTokenizerBase) -> None:
    """What planning cannot see of an encoder on the hub."""
    longest = spec.longest if isinstance(spec, BenchmarkSpec) else spec.max_length
    if longest > tokenizer.model_max_length:
        raise ValueError(f"max_length is {longest}, but the encoder reads at most {tokenizer.model_max_length} tokens")


def _source(encoder: HubEncoder | FolderEncoder | StageEncoder, job: Job, store: Store) -> Source:
    match encoder:
        case HubEncoder():
            return Source(encoder.hub, encoder.revision)
        case FolderEncoder():
            assert job.encoder_folder is not None, "a job with a FolderEncoder says where the folder lies"
            return Source(job.encoder_folder, None)
        case StageEncoder():
            return Source(str(store.fetch(encoder.stage)), None)


@functools.lru_cache(maxsize=4)
def _tokenizer(source: Source) -> PreTrainedTokenizerBase:
    """Kept from trial to trial of one actor: reading a vocabulary of 250,000 takes longer than a toy's training."""
    return cast(PreTrainedTokenizerBase, AutoTokenizer.from_pretrained(source.folder_or_hub, revision=source.revision, **NO_CODE))


@functools.lru_cache(maxsize=1)
def _base_encoder(source: Source) -> PreTrainedModel:
    """As it was published: the trials of a search, and all targets of an intermediate, begin with the same one."""
    return load_encoder(*source)


def _publish(job: Job, store: Store, outcome: Outcome, cost: Cost, folder: Path) -> Manifest:
    spec = job.spec
    manifest = Manifest(
        key=spec.key,
        status=outcome.status,
        spec=spec.model_dump(mode="json"),
        parents=parents_of(spec),
        attempt="",
        files=(),
        files_dropped=False,
        measurements=outcome.measurements,
        curve=outcome.curve,
        score=outcome.score,
        data=outcome.data,
        effort=outcome.effort,
        conditions=dict(outcome.conditions),
        cost=cost,
    )
    if is_first():
        manifest = store.publish(manifest, folder)
        store.clear_progress(spec.key)
    return manifest


def _cost(job: Job, outcome: Outcome, started_at: float, device: torch.device) -> Cost:
    seconds = time.time() - started_at + outcome.seconds_before
    return Cost(
        started_at=started_at,
        seconds=seconds,
        device_seconds=seconds * job.num_devices,
        num_tokens=outcome.num_tokens,
        num_examples=outcome.num_examples,
        peak_memory_bytes=peak_memory_bytes(device),
        device=device_name(device),
        device_memory_bytes=device_memory_bytes(device),
    )


def _curve_point(point: Point) -> CurvePoint:
    return CurvePoint(**point._asdict())
