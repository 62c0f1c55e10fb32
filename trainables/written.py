"""Prompts that show a language model labelled examples and ask for another one, and what is read of its answer.

In-context generation of training data, as surveyed by Schick and Schütze (2021) and Ye et al. (2022, ZeroGen).
"""

import random
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from trainables.examples import Answer, Choice, Dropped, Example, Question, Text
from trainables.seeds import derive_seed
from trainables.specs import Generate
from trainables.task import Task

UNREADABLE = "a field is missing"
NOT_IN_CONTEXT = "the answer is not in the context"

_LABEL = "Label"


class Order(NamedTuple):
    """One example that is asked for."""

    id: str
    label: str | None
    """None where examples have no class: questions and choices."""
    fields: tuple[str, ...]
    """That the answer must have, the first of which the prompt begins."""
    prompt: str


def orders(task: Task, pool: Sequence[Example], spec: Generate) -> Iterator[Order]:
    """The prompts, labels in turn; a ValueError if the pool has no example of a label."""
    shown = [example for example in pool if not isinstance(example, Question) or example.answers]
    labels: Sequence[str | None] = task.labels if task.kind == "classification" else (None,)
    by_label = {label: [each for each in shown if label is None or getattr(each, "label", None) == label] for label in labels}
    for label, examples in by_label.items():
        if not examples:
            raise ValueError(f"none of the {len(pool)} examples that prompts may show is labelled {label!r}; enlarge the pool")
    for number in range(spec.num_examples):
        label = labels[number % len(labels)]
        draw = random.Random(derive_seed("shown", spec.seed, number))
        examples = draw.sample(by_label[label], min(spec.num_shown, len(by_label[label])))
        names = tuple(name for name, _ in _fields(examples[0]))
        begun = "" if label is None else f"{_LABEL}: {label}\n"
        blocks = [*([spec.instruction] if spec.instruction else []), *(_block(example) for example in examples), f"{begun}{names[0]}:"]
        yield Order(str(number), label, names, "\n\n".join(blocks))


def read_answer(order: Order, answer: str, seed: int) -> Example | Dropped:
    """The example that a model wrote; what does not have every field is dropped."""
    values = _values(order.fields, answer)
    if values is None:
        return Dropped(order.id, UNREADABLE)
    match order.fields[0]:
        case "Context":
            context, question, text = values
            if text not in context:
                return Dropped(order.id, NOT_IN_CONTEXT)
            return Question(order.id, question, context, (Answer(text, context.index(text)),))
        case "Prompt":
            prompt, right, *wrong = values
            place = derive_seed("place", seed, order.id) % (len(wrong) + 1)
            return Choice(order.id, prompt, (*wrong[:place], right, *wrong[place:]), place)
        case _:
            return Text(order.id, values[0], values[1] if len(values) > 1 else None, order.label)


def _values(fields: Sequence[str], answer: str) -> list[str] | None:
    """The value of each field, a line each, before the first blank line; None if one is missing, empty or out of order."""
    lines = re.split(r"\n\s*\n", f"{fields[0]}: {answer.strip()}", maxsplit=1)[0].split("\n")
    if len(lines) < len(fields):
        return None
    values = [line.removeprefix(f"{field}:").strip() for field, line in zip(fields, lines, strict=False)]
    named = all(line.startswith(f"{field}:") for field, line in zip(fields, lines, strict=False))
    return values if named and all(values) else None


def _block(example: Example) -> str:
    label = f"{_LABEL}: {example.label}\n" if isinstance(example, Text) else ""
    return label + "\n".join(f"{name}: {value}" for name, value in _fields(example))


def _fields(example: Example) -> list[tuple[str, str]]:
    """An example as names and one-line values; the right option stands first."""
    match example:
        case Text(text=text, pair=pair):
            fields = [("Text", text), *([("Second text", pair)] if pair is not None else [])]
        case Choice(prompt=prompt, options=options, label=label):
            assert label is not None, "labelled examples were read"
            wrong = [option for place, option in enumerate(options) if place != label]
            fields = [("Prompt", prompt), ("Right", options[label]), *(("Wrong", option) for option in wrong)]
        case Question(question=question, context=context, answers=answers):
            fields = [("Context", context), ("Question", question), ("Answer", answers[0].text)]
        case _:
            raise AssertionError(f"{type(example).__name__} is no example that a study has written")
    return [(name, " ".join(value.split())) for name, value in fields]
