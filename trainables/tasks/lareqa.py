"""LAReQA on XQuAD-R: find the sentences that answer a question, in all eleven languages at once (Roy et al. 2020; CC BY-SA 4.0).

The candidates of every language's questions are the sentences of all languages' paragraphs, each with its paragraph behind it, as
XTREME-R embeds them; the sentence that holds the answer is relevant in each language. The hub's copy lacks the sentence breaks.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from trainables.examples import Dropped, Entries, Passage
from trainables.formats import member, shown
from trainables.squad_format import squad_paragraphs
from trainables.task import FileSource, Task

LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")


class _Paragraph(NamedTuple):
    language: str
    number: int
    context: str
    sentences: list[str]
    answered: list[tuple[str, str, str | None]]
    """The id and text of each question, and the sentence that holds its answer, None where none does."""


def read_files(paths: Sequence[Path], language: str) -> Entries:
    """Queries in one language, and the candidates of all; candidates are named `<language>_<paragraph>_<sentence>`, as in XTREME-R."""
    paragraphs = [paragraph for path in paths for paragraph in _paragraphs(path)]
    relevant: dict[str, list[str]] = {}
    for paragraph in paragraphs:
        for question_id, _, answer in paragraph.answered:
            named = [name for name, sentence in _named_sentences(paragraph) if sentence == answer]
            relevant.setdefault(question_id, []).extend(named)
    for paragraph in paragraphs:
        for question_id, question, answer in paragraph.answered if paragraph.language == language else []:
            if answer is None:
                yield Dropped(question_id, "the answer begins in no sentence")
            else:
                yield Passage(f"{question_id}_{language}", question.strip(), "query", tuple(relevant[question_id]))
    for paragraph in paragraphs:
        for name, sentence in _named_sentences(paragraph):
            yield Passage(name, (sentence + paragraph.context).replace("\n", ""), "candidate", ())


def _named_sentences(paragraph: _Paragraph) -> Iterator[tuple[str, str]]:
    for place, sentence in enumerate(paragraph.sentences):
        yield f"{paragraph.language}_{paragraph.number}_{place}", sentence


def _paragraphs(path: Path) -> Iterator[_Paragraph]:
    for number, (place, context, paragraph) in enumerate(squad_paragraphs(path), 1):
        breaks = _breaks(member(paragraph, "sentence_breaks", list, place), len(context), place)
        answered = []
        for q, question in enumerate(member(paragraph, "qas", list, place)):
            where = f"{place}.qas[{q}]"
            answers = member(question, "answers", list, where)
            if len(answers) != 1:
                raise ValueError(f"{where}: expected one answer, found {len(answers)}")
            start = member(answers[0], "answer_start", int, f"{where}.answers[0]")
            sentence = next((context[first:end] for first, end in breaks if first <= start < end), None)
            answered.append((member(question, "id", str, where), member(question, "question", str, where), sentence))
        yield _Paragraph(path.stem, number, context, [context[first:end] for first, end in breaks], answered)


def _breaks(given: list[Any], length: int, place: str) -> list[tuple[int, int]]:
    for found in given:
        is_pair = isinstance(found, list) and len(found) == 2 and all(type(bound) is int for bound in found)
        if not is_pair or not 0 <= found[0] < found[1] <= length:
            raise ValueError(f"{place}.sentence_breaks: expected pairs of characters up to {length}, found {shown(found)}")
    return [(first, end) for first, end in given]


TASK = Task(
    version=1,
    kind="retrieval",
    languages=LANGUAGES,
    metrics=("map_at_20",),
    files=(FileSource(paths={"test": tuple(f"lareqa/xquad-r/{language}.json" for language in LANGUAGES)}, read=read_files),),
)
