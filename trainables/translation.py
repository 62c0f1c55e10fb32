"""Which texts of an example are translated, and the example with their translations in place."""

from collections.abc import Iterator

from trainables.examples import Answer, Choice, Dropped, Example, Question, Text

EMPTY = "a translation is empty"
NOT_LOCATED = "no answer is in the translated context"


def translated_texts(example: Example) -> Iterator[str]:
    """All that a translation of the example needs, in the order in which `with_translations` takes it."""
    match example:
        case Text(text=text, pair=pair):
            yield text
            if pair is not None:
                yield pair
        case Choice(prompt=prompt, options=options):
            yield prompt
            yield from options
        case Question(question=question, context=context, answers=answers):
            yield question
            yield context
            yield from (answer.text for answer in answers)
        case _:
            raise AssertionError(f"{type(example).__name__} is no example that a study translates")


def with_translations(example: Example, translations: Iterator[str]) -> Example | Dropped:
    """The example in translation, its label kept; an answer is kept if its own translation is in the translated context."""
    match example:
        case Text(pair=pair):
            made: Example = example._replace(text=next(translations), pair=None if pair is None else next(translations))
        case Choice(options=options):
            made = example._replace(prompt=next(translations), options=tuple(next(translations) for _ in options))
        case Question(answers=answers):
            question, context = next(translations), next(translations)
            made = example._replace(question=question, context=context, answers=_located(context, [next(translations) for _ in answers]))
            if answers and not made.answers:
                return Dropped(example.id, NOT_LOCATED)
        case _:
            raise AssertionError(f"{type(example).__name__} is no example that a study translates")
    return made if all(translated_texts(made)) else Dropped(example.id, EMPTY)


def _located(context: str, answers: list[str]) -> tuple[Answer, ...]:
    return tuple(Answer(text, context.index(text)) for text in answers if text and text in context)
