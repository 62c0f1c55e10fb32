"""What every example must be before anything is made of it; what is wrong names the example, and where it was read."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import cast

from trainables.catalogue import listed
from trainables.examples import Choice, Dropped, Entries, Example, Line, Passage, Question, Sentence, Text
from trainables.places import forget_row, last_row
from trainables.task import Kind, Task

_RECORDS: dict[Kind, type[Example]] = {
    "classification": Text,
    "tagging": Sentence,
    "span_qa": Question,
    "multiple_choice": Choice,
    "retrieval": Passage,
    "mlm": Line,
}


def checked(task: Task, entries: Entries, place: str, labelled: bool) -> Iterator[Example | Dropped]:
    """The entries, each looked at while its row is the last one read: an error names that row, or `place` where there is none."""
    record = _RECORDS[task.kind]
    allowed = frozenset(task.labels)
    seen: set[tuple[str, str]] = set()
    forget_row()
    for entry in entries:
        if not isinstance(entry, Dropped):
            assert isinstance(entry, record), f"{place}: a {task.kind} task yields {record.__name__}, not {type(entry).__name__}"
            identity = (entry.side if isinstance(entry, Passage) else "", entry.id)
            if identity in seen:
                raise ValueError(f"{last_row() or place}: the id {entry.id!r} is there twice")
            seen.add(identity)
            problem = _problem(task, allowed, entry, labelled)
            if problem is not None:
                raise ValueError(f"{last_row() or place}: example {entry.id!r}: {problem}")
        yield entry


def check_split(task: Task, examples: list[Example], dropped: Mapping[str, int], place: str, labelled: bool) -> None:
    """What can be wrong with all examples of a split together."""
    if not examples:
        counted = ", ".join(f"{reason}: {number}" for reason, number in dropped.items())
        raise ValueError(
            f"{place}: the split is empty" + (f": all {sum(dropped.values())} entries were dropped ({counted})" if dropped else "")
        )
    if task.kind == "span_qa" and labelled and not any(cast(Question, example).answers for example in examples):
        raise ValueError(f"{place}: no question has an answer: this split is unlabelled")
    if task.kind == "retrieval":
        _check_retrieval(task, cast(list[Passage], examples), place, labelled)


def _problem(task: Task, allowed: frozenset[str], example: Example, labelled: bool) -> str | None:
    """What is wrong with one example, if anything; `allowed` is the set of the task's labels."""
    match example:
        case Text(label=label):
            if label is not None and label not in allowed:
                return f"label {label!r} is not one of {listed(task.labels)}"
            return _missing("label", label, labelled)
        case Sentence(words=words, tags=tags):
            if not words:
                return "there are no words"
            if tags is not None and len(tags) != len(words):
                return f"{len(words)} words but {len(tags)} tags"
            for number, tag in enumerate(tags or (), 1):
                if tag not in allowed:
                    return f"tag {tag!r} of word {number} is not one of {listed(task.labels)}"
            return _missing("tags", tags, labelled)
        case Question(context=context, answers=answers):
            for text, start in answers:
                found = context[start : start + len(text)] if start >= 0 else ""
                if not text or found != text:
                    return f"the answer {text!r} is not at character {start} of the context, where {found!r} is"
            if labelled and not answers and not task.has_unanswerable:
                return "it has no answer: this split is unlabelled, or the task lacks has_unanswerable=True"
        case Choice(options=options, label=label):
            if task.num_options is not None and len(options) != task.num_options:
                return f"there are {len(options)} options, expected {task.num_options}"
            if label is not None and not 0 <= label < len(options):
                return f"label {label} is not the index of one of {len(options)} options"
            return _missing("label", label, labelled)
        case Passage(side=side, relevant=relevant):
            if side not in ("query", "candidate"):
                return f"side {side!r} is not one of query, candidate"
            twice = [one for one, number in Counter(relevant).items() if number > 1]
            return f"it names the candidate {twice[0]!r} twice" if twice else None
        case Line(text=text):
            return None if text.strip() else "the line is blank"
    return None


def _missing(field: str, value: object, labelled: bool) -> str | None:
    return f"it has no {field}: this split is unlabelled" if labelled and value is None else None


def _check_retrieval(task: Task, passages: list[Passage], place: str, labelled: bool) -> None:
    candidates = {passage.id for passage in passages if passage.side == "candidate"}
    queries = [passage for passage in passages if passage.side == "query"]
    if not queries or not candidates:
        raise ValueError(f"{place}: {len(queries)} queries and {len(candidates)} candidates; there must be some of each")
    for query in queries:
        if labelled and not query.relevant and not task.is_mining:
            raise ValueError(f"{place}: query {query.id!r} names no relevant candidate: this split is unlabelled")
        for relevant in query.relevant:
            if relevant not in candidates:
                raise ValueError(f"{place}: query {query.id!r} names the candidate {relevant!r}, which is not there")
    if labelled and not any(query.relevant for query in queries):
        raise ValueError(f"{place}: no query names a relevant candidate: this split is unlabelled")
