"""A benchmark from its spec: the arms and the batches, the table of single times, and what it comes to in numbers.

Legend: `T` tokens, `P` passes.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainables.benchmark import (
    Load,
    Peak,
    Repetitions,
    Setting,
    Timed,
    Workload,
    conditions,
    fixed_batches,
    measure_memory,
    pinned_threads,
    text_batches,
    time_arms,
)
from trainables.benchmark_names import ANY_LANGUAGE, ARCHITECTURE, ARM_NAMES
from trainables.data import load_examples
from trainables.examples import texts_of
from trainables.family import FAMILIES
from trainables.features import Features
from trainables.manifest import DataUse, Measurement
from trainables.model import Model, fresh_encoder, load_encoder, load_model, with_fresh_heads
from trainables.prepare import data_use, prepare, tokenizer_hash
from trainables.sequences import template_of, tokenize
from trainables.specs import Architecture, BenchmarkSpec, DataSpec, InitSpec, Precision

_UNSPACED = frozenset({"bo", "ja", "km", "lo", "my", "th", "yue", "zh"})
"""Languages that write no spaces between words: they have tokens a character, and no tokens a word."""


class Source(NamedTuple):
    """Where an encoder and its tokenizer are loaded from."""

    folder_or_hub: str
    revision: str | None


class Benchmarked(NamedTuple):
    """The result of a BenchmarkSpec, beside its table."""

    measurements: tuple[Measurement, ...]
    data: tuple[DataUse, ...]
    conditions: dict[str, str]
    num_tokens: int
    num_examples: int


def run_benchmark(
    spec: BenchmarkSpec,
    sources: Sequence[Source | None],
    read: Callable[[Source], PreTrainedTokenizerBase],
    device: torch.device,
    folder: str | Path | None,
    cache: str | Path,
    table: Path,
) -> Benchmarked:
    """Measures what `spec` says and writes `table` (times.parquet): a row for every pass that was timed.

    `sources` are those of the spec's arms, None for an architecture; `read` gives the tokenizer of a source.
    """
    loads = [_load(spec, arm, source, device) for arm, source in zip(spec.arms, sources, strict=True)]
    if spec.data:
        tokenizers = [read(source) for source in sources if source is not None]
        assert len({tokenizer_hash(tokenizer) for tokenizer in tokenizers}) == 1, "arms that are compared read the same tokens"
        texts = [_Texts(spec, data, tokenizers[0], folder, cache) for data in spec.data]
        workloads = [workload for text in texts for workload in text.workloads()]
        facts = [fact for text in texts for fact in text.fertility()]
    else:
        texts, facts = [], []
        workloads = list(_random_workloads(spec, loads[0]("float32").encoder.config.vocab_size))
    often = Repetitions(spec.blocks, spec.repetitions, spec.warmup)
    with pinned_threads(spec.num_threads) as cores:
        peaks = list(measure_memory(loads, spec.head, workloads, device))
        times = list(time_arms(loads, spec.head, workloads, often, device, spec.seed, spec.form == "generated"))
        found = conditions(device, spec.precisions, cores, FAMILIES.load(spec.family).has_position_bias)
    names = ARM_NAMES if len(spec.arms) > 1 else (ARCHITECTURE,)
    pq.write_table(_table(times, names), table, compression="zstd")
    task, split = (spec.task or ARCHITECTURE, spec.data[0].split if spec.data else "none")
    summary = [*_sizes(loads, sources, names), *_speeds(times, names), *_peaks(peaks, names)]
    return Benchmarked(
        tuple(
            Measurement(task=task, language=fact.language, split=split, metric=fact.metric, value=fact.value, n=fact.n)
            for fact in (*facts, *summary)
        ),
        tuple(text.use for text in texts),
        dict(found),
        sum(timed.num_tokens for timed in times),
        sum(timed.num_examples for timed in times),
    )


class _Fact(NamedTuple):
    """A measurement, before it says of which task."""

    language: str
    metric: str
    value: float
    n: int


def _load(spec: BenchmarkSpec, arm: object, source: Source | None, device: torch.device) -> Callable[[Precision], Model]:
    """How an arm is put onto the device, as an evaluation does, but with every layer whole, as others run it; an architecture gets random
    weights."""

    def load(precision: Precision) -> Model:
        if source is not None and spec.head is not None:
            model = load_model(spec.family, source.folder_or_hub, precision, source.revision, spec.form)
        elif source is not None:
            model = with_fresh_heads(spec.family, load_encoder(source.folder_or_hub, source.revision), [], 0, precision)
        else:
            assert isinstance(arm, Architecture), "an arm without a source is an architecture"
            model = with_fresh_heads(spec.family, _random_encoder(spec, arm), [], 0, precision)
        model.is_narrow = False
        return model.to(device, torch.bfloat16 if precision == "bfloat16" else torch.float32).eval()

    return load


def _random_encoder(spec: BenchmarkSpec, architecture: Architecture) -> PreTrainedModel:
    shape = InitSpec(
        kind="init", code_version=0, versions=(), family=spec.family, dropout=0.0, tokenizer_text=(), seed=0, **dict(architecture)
    )
    config = FAMILIES.load(spec.family).make_config(shape, architecture.vocabulary_size)
    return fresh_encoder(config)


class _Texts:
    """The texts of one language as workloads, and how many tokens they take."""

    def __init__(
        self, spec: BenchmarkSpec, data: DataSpec, tokenizer: PreTrainedTokenizerBase, folder: str | Path | None, cache: str | Path
    ) -> None:
        self._spec, self._data, self._tokenizer = spec, data, tokenizer
        head = None if spec.form is None else spec.head
        prepared = prepare(data, folder, tokenizer, spec.max_length, "score", cache, written_for=head)
        self._features: Features = prepared.features
        self.use = data_use(data, "test", prepared)
        examples = load_examples(data, folder).examples
        self._texts = list(dict.fromkeys(text for example in examples for text in texts_of(example)))
        self._ids = tokenize(tokenizer, self._texts)

    def workloads(self) -> Iterator[Workload]:
        template = template_of(self._tokenizer)
        around = (template.single_prefix, template.single_suffix)
        stream_T = np.array([token for ids in self._ids for token in ids], np.int32)
        for batch_size in self._spec.batch_sizes:
            for length in self._spec.lengths:
                seed = _seed(self._spec, self._data.language, batch_size, length)
                number = self._spec.repetitions
                if length == "text":
                    batches = text_batches(self._features, batch_size, number, seed)
                else:
                    batches = fixed_batches(stream_T, around, length, batch_size, number, seed)
                for precision in self._spec.precisions:
                    yield Workload(Setting(self._data.language, batch_size, str(length), precision), batches)

    def fertility(self) -> Iterator[_Fact]:
        """Tokens a word and a character, each text counted once, special tokens left out."""
        num_tokens = sum(map(len, self._ids))
        num_words, num_characters = sum(len(text.split()) for text in self._texts), sum(map(len, self._texts))
        language = self._data.language
        if language not in _UNSPACED:
            yield _Fact(language, "tokens_per_word", num_tokens / num_words, num_words)
        yield _Fact(language, "tokens_per_character", num_tokens / num_characters, num_characters)


def _random_workloads(spec: BenchmarkSpec, vocabulary_size: int) -> Iterator[Workload]:
    """Of tokens drawn at random, for an architecture."""
    stream_T = np.random.default_rng(spec.seed).integers(5, vocabulary_size, 65_536, np.int32)  # from 5 on: special tokens come first
    for batch_size in spec.batch_sizes:
        for length in spec.lengths:
            assert length != "text", "an architecture has no texts"
            batches = fixed_batches(
                stream_T, ((0,), (2,)), length, batch_size, spec.repetitions, _seed(spec, ANY_LANGUAGE, batch_size, length)
            )
            for precision in spec.precisions:
                yield Workload(Setting(ANY_LANGUAGE, batch_size, str(length), precision), batches)


def _seed(spec: BenchmarkSpec, language: str, batch_size: int, length: int | str) -> list[int]:
    """Of a setting's batches; all precisions read the same."""
    return [spec.seed, *language.encode(), batch_size, 0 if length == "text" else int(length)]


def _table(times: Sequence[Timed], names: Sequence[str]) -> pa.Table:
    columns = {name: [getattr(timed.setting, name) for timed in times] for name in Setting._fields}
    columns |= {name: [getattr(timed, name) for timed in times] for name in ("block", "repetition", "place")}
    columns |= {"arm": [names[timed.arm] for timed in times]}
    columns |= {name: [getattr(timed, name) for timed in times] for name in ("seconds", "num_examples", "num_tokens", "num_written")}
    return pa.table(columns)


def _name(quantity: str, setting: Setting, arm: str) -> str:
    return f"{quantity} batch {setting.batch_size} length {setting.length} {setting.precision} {arm}"


def _speeds(times: Sequence[Timed], names: Sequence[str]) -> Iterator[_Fact]:
    """Percentiles of the latency of a batch, outliers included, and throughput over all passes."""
    groups: dict[tuple[Setting, int], list[Timed]] = {}
    for timed in times:
        groups.setdefault((timed.setting, timed.arm), []).append(timed)
    for (setting, arm), group in groups.items():
        seconds_P: NDArray[np.float64] = np.array([timed.seconds for timed in group])
        for percent in (50, 95, 99):
            value = 1000 * float(np.percentile(seconds_P, percent))
            yield _Fact(setting.language, _name(f"latency_p{percent}_ms", setting, names[arm]), value, len(group))
        if any(one.num_written for one in group):
            num_sequences = sum(one.num_examples for one in group)
            value = sum(one.num_written for one in group) / num_sequences
            yield _Fact(setting.language, _name("written_tokens", setting, names[arm]), value, num_sequences)
        for quantity, number in (("examples", sum(one.num_examples for one in group)), ("tokens", sum(one.num_tokens for one in group))):
            value = number / float(seconds_P.sum())
            yield _Fact(setting.language, _name(f"{quantity}_per_s", setting, names[arm]), value, len(group))


def _peaks(peaks: Sequence[Peak], names: Sequence[str]) -> Iterator[_Fact]:
    for peak in peaks:
        language, name = peak.setting.language, names[peak.arm]
        yield _Fact(language, _name("peak_memory_bytes", peak.setting, name), float(peak.used_bytes), 1)
        if peak.reserved_bytes is not None:
            yield _Fact(language, _name("peak_reserved_bytes", peak.setting, name), float(peak.reserved_bytes), 1)


def _sizes(loads: Sequence[Load], sources: Sequence[Source | None], names: Sequence[str]) -> Iterator[_Fact]:
    """Parameters of encoder and heads, and the bytes of their checkpoint, in float32."""
    for load, source, name in zip(loads, sources, names, strict=True):
        model = load("float32")
        assert isinstance(model, Model), "arms are models"
        num_parameters = sum(parameter.numel() for parameter in model.parameters())
        files = [] if source is None else list(Path(source.folder_or_hub).glob("*.safetensors"))
        num_bytes = sum(path.stat().st_size for path in files) or 4 * num_parameters
        yield _Fact(ANY_LANGUAGE, f"num_parameters {name}", float(num_parameters), 1)
        yield _Fact(ANY_LANGUAGE, f"checkpoint_bytes {name}", float(num_bytes), 1)
