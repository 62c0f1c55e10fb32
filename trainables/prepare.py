"""Examples to token ids, for every kind of task, made once per machine and mapped into memory by every trial."""

import contextlib
import fcntl
import functools
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Literal, cast

import numpy as np
from transformers import PreTrainedTokenizerBase

from trainables.data import load_examples
from trainables.examples import Choice, Example, Line, Passage, Question, Sentence, Text
from trainables.feature_file import Prepared, read_prepared, write_prepared
from trainables.features import IGNORED, Features
from trainables.keys import content_key
from trainables.manifest import DataUse
from trainables.origins import with_labels
from trainables.sequences import Ids, SequenceBuilder, batches, fit, template_of, tokenize
from trainables.span_qa import span_features
from trainables.specs import DataSpec
from trainables.task import TASKS, Task
from trainables.text_to_text import KIND, input_texts

PREPARE_VERSION = 3
"""Raised when the same examples become other features, or another file."""

MASKED_SHARE = 0.15

Purpose = Literal["train", "score"]
"""Masked-language modelling masks anew in every epoch to train, and once and for all to score; other kinds do not care."""


def prepare(
    data: DataSpec,
    folder: str | Path | None,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    purpose: Purpose,
    cache: str | Path,
    artifact: Path | None = None,
    written_for: str | None = None,
) -> Prepared:
    """The features of `data` with at most `max_length` tokens a sequence, mapped from `<cache>/features`; made if missing.

    `artifact` is as in `load_examples`. With `written_for`, the task that trains, examples are texts as `trainables.text_to_text` says.
    """
    purpose = purpose if TASKS.load(data.task).kind == "mlm" else "train"
    identity: dict[str, object] = {"data": data.model_dump(mode="json"), "tokenizer": tokenizer_hash(tokenizer)}
    identity |= {"max_length": max_length, "purpose": purpose}
    if written_for is not None:
        identity["written_for"] = written_for
    if artifact is not None:
        identity["attempt"] = artifact.name  # a stage that is made again elsewhere may write other texts under its key
    key = content_key("features", identity | _versions())
    path = Path(cache) / "features" / f"{key}.arrow"
    if not path.exists():
        with _one_at_a_time(path):
            if not path.exists():
                write_prepared(path, _made(data, folder, tokenizer, max_length, purpose, artifact, written_for))
    return read_prepared(path)


@contextlib.contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """Among the processes of this machine: who comes while another makes the file waits for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # given back with the process, however that ends
        yield


def _made(
    data: DataSpec,
    folder: str | Path | None,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    purpose: Purpose,
    artifact: Path | None,
    written_for: str | None,
) -> Prepared:
    loaded = load_examples(data, folder, artifact=artifact)
    task = with_labels(TASKS.load(data.task), data, folder)
    if written_for is None:
        made = make_features(task, loaded.examples, tokenizer, max_length, purpose)
    else:
        made = written_features(written_for, task, cast(Sequence[Text | Choice], loaded.examples), tokenizer, max_length)
    return made._replace(dropped=loaded.dropped)


@functools.cache
def _versions() -> dict[str, object]:
    return {"prepare": PREPARE_VERSION, "tokenizers": version("tokenizers"), "transformers": version("transformers")}


def data_use(data: DataSpec, purpose: Literal["train", "dev", "test", "threshold"], prepared: Prepared) -> DataUse:
    """What a stage's record says of examples that it prepared."""
    return DataUse(
        task=data.task,
        language=data.language,
        split=data.split,
        purpose=purpose,
        num_examples=prepared.features.num_examples,
        dropped=prepared.dropped,
        cut=prepared.cut,
    )


@functools.lru_cache(maxsize=4)
def tokenizer_hash(tokenizer: PreTrainedTokenizerBase) -> str:
    """Everything that decides which ids a text becomes; not the truncation and padding that calls set and leave behind."""
    definition = json.loads(tokenizer.backend_tokenizer.to_str())
    definition |= {"truncation": None, "padding": None, "roles": {name: str(token) for name, token in tokenizer.special_tokens_map.items()}}
    return hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()


def make_features(
    task: Task, examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, max_length: int, purpose: Purpose
) -> Prepared:
    """The features of labelled examples of one task, of which none is dropped."""
    cut: Counter[str] = Counter()
    match task.kind:
        case "classification":
            features = _text_features(cast(Sequence[Text], examples), task.labels, tokenizer, max_length, cut)
        case "tagging":
            features = _tag_features(cast(Sequence[Sentence], examples), task.labels, tokenizer, max_length, cut)
        case "span_qa":
            features = span_features(cast(Sequence[Question], examples), tokenizer, max_length, cut)
        case "multiple_choice":
            features = _choice_features(cast(Sequence[Choice], examples), tokenizer, max_length, cut)
        case "retrieval":
            features = _passage_features(cast(Sequence[Passage], examples), tokenizer, max_length, cut)
        case "mlm":
            features = _line_features(cast(Sequence[Line], examples), tokenizer, max_length, purpose)
    return Prepared(features, {}, {reason: number for reason, number in sorted(cut.items()) if number})


def written_features(
    head: str, task: Task, examples: Sequence[Text | Choice], tokenizer: PreTrainedTokenizerBase, max_length: int
) -> Prepared:
    """The features of examples as texts in the words of `head`, the task that trains."""
    trained = TASKS.load(head)
    builder, cut = SequenceBuilder(template_of(tokenizer)), Counter[str]()
    for start, batch in batches(examples):
        parts = [tokenize(tokenizer, part) for part in zip(*(input_texts(head, trained, example) for example in batch), strict=True)]
        for index, (first, second) in enumerate(zip(*parts, strict=True), start):
            num_first, num_second = fit(len(first), len(second), max_length - builder.template.num_single)
            builder.add_single(index, [*first[:num_first], *second[:num_second]])
            cut[_CUT] += num_first < len(first) or num_second < len(second)
    class_of = {label: index for index, label in enumerate(task.labels)}
    targets = [example.label if isinstance(example, Choice) else class_of[str(example.label)] for example in examples]
    return Prepared(builder.features(KIND, len(examples), targets), {}, {reason: number for reason, number in cut.items() if number})


_CUT = "cut to max_length"


def _add_cut(builder: SequenceBuilder, example: int, first: Ids, second: Ids | None, max_length: int) -> bool:
    """Adds a sequence of one or two segments, cut if it must be; returns whether it was."""
    if second is None:
        room = max_length - builder.template.num_single
        builder.add_single(example, first[:room])
        return len(first) > room
    num_first, num_second = fit(len(first), len(second), max_length - builder.template.num_pair)
    builder.add_pair(example, first[:num_first], second[:num_second])
    return num_first < len(first) or num_second < len(second)


def _text_features(
    examples: Sequence[Text], labels: Sequence[str], tokenizer: PreTrainedTokenizerBase, max_length: int, cut: Counter[str]
) -> Features:
    builder = SequenceBuilder(template_of(tokenizer))
    for start, batch in batches(examples):
        firsts = tokenize(tokenizer, [example.text for example in batch])
        seconds = iter(tokenize(tokenizer, [example.pair for example in batch if example.pair is not None]))
        for index, (example, first) in enumerate(zip(batch, firsts, strict=True), start):
            cut[_CUT] += _add_cut(builder, index, first, None if example.pair is None else next(seconds), max_length)
    class_of = {label: index for index, label in enumerate(labels)}
    return builder.features("classification", len(examples), [class_of[str(example.label)] for example in examples])


def _choice_features(examples: Sequence[Choice], tokenizer: PreTrainedTokenizerBase, max_length: int, cut: Counter[str]) -> Features:
    builder = SequenceBuilder(template_of(tokenizer))
    for start, batch in batches(examples):
        prompts = tokenize(tokenizer, [example.prompt for example in batch])
        options = iter(tokenize(tokenizer, [option for example in batch for option in example.options]))
        for index, (example, prompt) in enumerate(zip(batch, prompts, strict=True), start):
            is_cut = [_add_cut(builder, index, prompt, next(options), max_length) for _ in example.options]
            cut[_CUT] += any(is_cut)
    return builder.features("multiple_choice", len(examples), [example.label for example in examples])


def _passage_features(examples: Sequence[Passage], tokenizer: PreTrainedTokenizerBase, max_length: int, cut: Counter[str]) -> Features:
    builder = SequenceBuilder(template_of(tokenizer))
    for start, batch in batches(examples):
        for index, ids in enumerate(tokenize(tokenizer, [example.text for example in batch]), start):
            cut[_CUT] += _add_cut(builder, index, ids, None, max_length)
    return builder.features("retrieval", len(examples), [])


def _tag_features(
    examples: Sequence[Sentence], labels: Sequence[str], tokenizer: PreTrainedTokenizerBase, max_length: int, cut: Counter[str]
) -> Features:
    """The tag of a word is the target of its first piece; a sentence that is too long goes on, between words, in the next sequence."""
    builder = SequenceBuilder(template_of(tokenizer))
    room = max_length - builder.template.num_single
    class_of = {label: index for index, label in enumerate(labels)}
    targets: list[np.ndarray[tuple[int], np.dtype[np.int32]]] = []
    for start, batch in batches(examples):
        for index, (example, words) in enumerate(zip(batch, _word_pieces(tokenizer, batch), strict=True), start):
            cut["word cut"] += any(len(pieces) > room for pieces in words)
            ids: Ids = []
            tags: list[int] = []
            for pieces, tag in zip(words, cast(tuple[str, ...], example.tags), strict=True):
                if len(ids) + min(len(pieces), room) > room:
                    builder.add_single(index, ids)
                    targets.append(_around(builder, tags))
                    ids, tags = [], []
                ids += pieces[:room]
                tags += [class_of[tag]] + [IGNORED] * (min(len(pieces), room) - 1)
            builder.add_single(index, ids)
            targets.append(_around(builder, tags))
    return builder.features("tagging", len(examples), np.concatenate(targets))


def _around(builder: SequenceBuilder, targets: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    prefix, suffix = builder.template.single_prefix, builder.template.single_suffix
    return np.array([IGNORED] * len(prefix) + targets + [IGNORED] * len(suffix), dtype=np.int32)


def _word_pieces(tokenizer: PreTrainedTokenizerBase, sentences: Sequence[Sentence]) -> list[list[Ids]]:
    """For each sentence, the pieces of each word; the unknown token for a word without any, such as a lone zero-width space."""
    words = [list(sentence.words) for sentence in sentences]
    encoded = tokenizer(words, is_split_into_words=True, add_special_tokens=False, return_attention_mask=False, verbose=False)
    result = []
    for index, sentence in enumerate(sentences):
        pieces: list[Ids] = [[] for _ in sentence.words]
        for word, token_id in zip(encoded.word_ids(index), encoded["input_ids"][index], strict=True):
            pieces[cast(int, word)].append(token_id)
        if not all(pieces):
            if tokenizer.unk_token_id is None:
                raise ValueError(f"sentence {sentence.id!r} has a word without pieces, and the tokenizer has no unknown token")
            pieces = [word_pieces or [tokenizer.unk_token_id] for word_pieces in pieces]
        result.append(pieces)
    return result


def _line_features(examples: Sequence[Line], tokenizer: PreTrainedTokenizerBase, max_length: int, purpose: Purpose) -> Features:
    """Long lines, and pairs segment by segment, are cut into equal parts, one sequence each: nothing is lost."""
    builder = SequenceBuilder(template_of(tokenizer))
    for start, batch in batches(examples):
        firsts = tokenize(tokenizer, [example.text for example in batch])
        seconds = iter(tokenize(tokenizer, [example.pair for example in batch if example.pair is not None]))
        for index, (example, first) in enumerate(zip(batch, firsts, strict=True), start):
            if example.pair is None:
                for part, _ in _parts(first, [], max_length - builder.template.num_single):
                    builder.add_single(index, part)
            else:
                for part, second_part in _parts(first, next(seconds), max_length - builder.template.num_pair):
                    builder.add_pair(index, part, second_part)
    features = builder.features("mlm", len(examples), [])
    return features if purpose == "train" else _with_fixed_mask(features, tokenizer)


def _parts(first: Ids, second: Ids, room: int) -> list[tuple[Ids, Ids]]:
    """Both cut into the same number of parts, the fewest that fit."""
    num = max(1, -(-(len(first) + len(second)) // room))
    while -(-len(first) // num) + -(-len(second) // num) > room:
        num += 1
    sizes = (max(1, -(-len(first) // num)), max(1, -(-len(second) // num)))
    parts = [(first[i * sizes[0] : (i + 1) * sizes[0]], second[i * sizes[1] : (i + 1) * sizes[1]]) for i in range(num)]
    return [part for part in parts if part[0] or part[1]] or [([], [])]


def _with_fixed_mask(features: Features, tokenizer: PreTrainedTokenizerBase) -> Features:
    """Masks 15% of each sequence's ordinary tokens, at least one, chosen by its content; the targets are what was there."""
    if tokenizer.mask_token_id is None:
        raise ValueError("the tokenizer has no mask token, which masked-language modelling needs")
    token_ids, targets = features.token_ids.copy(), np.full(len(features.token_ids), IGNORED, dtype=np.int32)
    is_special = np.isin(token_ids, tokenizer.all_special_ids)
    for first, end in zip(features.offsets[:-1], features.offsets[1:], strict=True):
        ordinary = first + np.flatnonzero(~is_special[first:end])
        seed = int.from_bytes(hashlib.sha256(token_ids[first:end].tobytes()).digest()[:8])
        order = np.argsort(np.random.default_rng(seed).random(len(ordinary)))
        chosen = ordinary[order[: max(1, round(MASKED_SHARE * len(ordinary)))]]
        targets[chosen] = token_ids[chosen]
        token_ids[chosen] = tokenizer.mask_token_id
    return features._replace(token_ids=token_ids, targets=targets)
