"""Makes examples out of others: translated, there and back, code-switched, or written by a language model."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from trainables.code_switch import switch_words
from trainables.data import load_examples
from trainables.dictionaries import Dictionary, fetch_dictionary, read_dictionary
from trainables.example_file import FILE, write_examples
from trainables.examples import Dropped, Example
from trainables.manifest import DataUse, Measurement
from trainables.origins import with_labels
from trainables.specs import CodeSwitch, Generate, Job, SynthesizeSpec, TranslationModel
from trainables.task import TASKS
from trainables.text_models import Written, load_text_model
from trainables.translation import translated_texts, with_translations
from trainables.written import orders, read_answer

SWITCHED_SHARE = "switched_share"
"""The metric under which the share of all words that were replaced is recorded."""

_CUT = "a text cut to max_length"
_UNFINISHED = "a text of the model's without its end"


class Made(NamedTuple):
    """What a stage made, beside its file."""

    data: tuple[DataUse, ...]
    measurements: tuple[Measurement, ...]
    num_examples: int
    num_tokens: int
    """That the model wrote."""


class _Result(NamedTuple):
    entries: list[Example | Dropped]
    cut: dict[str, int]
    num_tokens: int = 0
    measurements: tuple[Measurement, ...] = ()


def synthesize(spec: SynthesizeSpec, job: Job, device: torch.device, progress: Path, folder: Path) -> Made:
    """Makes the examples of `spec` and writes them to `folder`; `progress` keeps what a model wrote, should the stage die."""
    read = load_examples(spec.made_from, job.data)
    writing = _Writing(job, device, progress)
    match spec.by:
        case CodeSwitch():
            result = _switched(spec, spec.by, read.examples, job)
        case Generate():
            result = _generated(spec, spec.by, read.examples, job, writing)
        case by:
            both = (by.forth,) if by.method == "translate" else (by.forth, by.back)
            result = _translated(both, read.examples, writing)
    examples = [entry for entry in result.entries if not isinstance(entry, Dropped)]
    dropped = dict(sorted(Counter(entry.reason for entry in result.entries if isinstance(entry, Dropped)).items()))
    if not examples:
        counted = ", ".join(f"{reason}: {number}" for reason, number in dropped.items())
        raise ValueError(f"{spec.made_from.task} by {spec.by.method}: none of {len(result.entries)} examples could be made ({counted})")
    write_examples(examples, folder / FILE)
    uses = (
        _use(spec, "source", spec.made_from.language, len(read.examples), read.dropped, {}),
        _use(spec, "synthetic", spec.language, len(examples), dropped, result.cut),
    )
    return Made(uses, result.measurements, len(examples), result.num_tokens)


def _use(spec: SynthesizeSpec, purpose: str, language: str, num: int, dropped: Mapping[str, int], cut: Mapping[str, int]) -> DataUse:
    return DataUse.model_validate(
        {
            "task": spec.made_from.task,
            "language": language,
            "split": spec.made_from.split,
            "purpose": purpose,
            "num_examples": num,
            "dropped": dropped,
            "cut": cut,
        }
    )


def _switched(spec: SynthesizeSpec, by: CodeSwitch, examples: Sequence[Example], job: Job) -> _Result:
    dictionaries = {each.language: _dictionary(each.source, job) for each in by.dictionaries}
    switched = [switch_words(example, by, dictionaries) for example in examples]
    num_words = sum(each.num_words for each in switched)
    measurement = Measurement(
        task=spec.made_from.task,
        language=spec.language,
        split=spec.made_from.split,
        metric=SWITCHED_SHARE,
        value=sum(each.num_replaced for each in switched) / max(num_words, 1),
        n=num_words,
    )
    return _Result([each.example for each in switched], {}, measurements=(measurement,))


def _dictionary(source: str, job: Job) -> Dictionary:
    kind, _, name = source.partition(":")
    if kind == "files":
        return read_dictionary(Path(dict(job.places)[name]))
    return read_dictionary(fetch_dictionary(name, Path(job.cache)), is_published=True)


def _translated(models: Sequence[TranslationModel], examples: Sequence[Example], writing: "_Writing") -> _Result:
    """Through one model after the other; every text once."""
    written: list[dict[str, Written]] = []
    wanted = dict.fromkeys(text for example in examples for text in translated_texts(example))
    texts = list(wanted)
    for number, model in enumerate(models):
        written.append(writing.of_texts(model, texts, f"translation-{number}"))
        texts = list(dict.fromkeys(each.text for each in written[-1].values() if each.text))
    chains = {text: _chain(text, written) for text in wanted}
    entries = [with_translations(example, (_last(chains[text]) for text in translated_texts(example))) for example in examples]
    cut = {
        _CUT: sum(any(each.is_cut for text in translated_texts(example) for each in chains[text]) for example in examples),
        _UNFINISHED: sum(any(each.is_unfinished for text in translated_texts(example) for each in chains[text]) for example in examples),
    }
    num_tokens = sum(each.num_tokens for step in written for each in step.values())
    return _Result(entries, {reason: number for reason, number in cut.items() if number}, num_tokens)


def _chain(text: str, written: Sequence[Mapping[str, Written]]) -> list[Written]:
    """What each model wrote of what the one before it wrote; it ends with the first that wrote nothing."""
    chain: list[Written] = []
    for step in written:
        if not text:
            break
        chain.append(step[text])
        text = chain[-1].text
    return chain


def _last(chain: Sequence[Written]) -> str:
    return chain[-1].text if chain else ""


def _generated(spec: SynthesizeSpec, by: Generate, pool: Sequence[Example], job: Job, writing: "_Writing") -> _Result:
    task = with_labels(TASKS.load(spec.made_from.task), spec.made_from, job.data)
    asked = list(orders(task, pool, by))
    written = writing.of_batches(by, _batches([order.prompt for order in asked], by.batch_size), "written")
    answers = [each for batch in written for each in batch]
    entries = [read_answer(order, answer.text, by.seed) for order, answer in zip(asked, answers, strict=True)]
    num_cut = sum(answer.is_cut for answer in answers)
    return _Result(entries, {_CUT: num_cut} if num_cut else {}, sum(answer.num_tokens for answer in answers))


class _Writing:
    """Has models write, here or on the workers of the job, and keeps what they wrote in a folder until the stage is published."""

    def __init__(self, job: Job, device: torch.device, progress: Path) -> None:
        self._job, self._device, self._progress = job, device, progress

    def of_texts(self, model: TranslationModel, texts: Sequence[str], name: str) -> dict[str, Written]:
        """By text; batches are of texts of about the same length."""
        ordered = sorted(texts, key=lambda text: (len(text), text))
        written = self.of_batches(model, _batches(ordered, model.batch_size), name)
        return dict(zip(ordered, (each for batch in written for each in batch), strict=True))

    def of_batches(self, model: TranslationModel | Generate, batches: Sequence[Sequence[str]], name: str) -> list[list[Written]]:
        """In the order of the batches; those that an attempt before this one wrote are not written again."""
        path = self._progress / f"{name}.jsonl"
        done = dict(_read_progress(path))
        missing = {number: batch for number, batch in enumerate(batches) if number not in done}
        if missing:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "a", encoding="utf-8") as file:
                for number, written in self._write(model, missing):
                    done[number] = written
                    file.write(f"{json.dumps([number, written])}\n")
                    file.flush()
        return [done[number] for number in range(len(batches))]

    def _write(self, model: TranslationModel | Generate, batches: Mapping[int, Sequence[str]]) -> Iterator[tuple[int, list[Written]]]:
        if self._job.num_workers > 1:
            from trainables.ray_data import write_on_workers  # a stage of one worker needs no Ray

            yield from write_on_workers(model, batches, self._job)
            return
        writer: Callable[[Sequence[str], int], list[Written]] = load_text_model(model, dict(self._job.places), self._device)
        for number, batch in batches.items():
            yield number, writer(batch, number)


def _read_progress(path: Path) -> Iterator[tuple[int, list[Written]]]:
    """What was written whole; a line that broke off with its attempt is passed over, and its batch written again."""
    for line in path.read_text(encoding="utf-8").split("\n") if path.exists() else ():
        try:
            number, written = json.loads(line)
        except ValueError:
            continue
        yield number, [Written(*each) for each in written]


def _batches(texts: Sequence[str], size: int) -> list[Sequence[str]]:
    return [texts[start : start + size] for start in range(0, len(texts), size)]
