"""Toy tasks of every kind, made rather than read, and tokenizers trained on a few sentences in several scripts."""

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from trainables.examples import Answer, Choice, Entries, Example, Line, Passage, Question, Sentence, Text
from trainables.family import FAMILIES
from trainables.specs import DataSpec
from trainables.task import FileSource, Kind, Task

REAL_DATA = Path(__file__).parents[2].parent / "shared" / "data"

TEXTS = (
    "Six states signed the treaty in Rome in 1957, and Norway stayed outside.",
    "Москва является столицей России, а Санкт-Петербург её второй город.",
    "القاهرة هي عاصمة مصر وأكبر مدينة في العالم العربي",
    "กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย และมีประชากรมากที่สุด",
    "北京是中华人民共和国的首都，上海是最大的城市。",
    "दिल्ली भारत की राजधानी है और मुंबई सबसे बड़ा शहर है",
    "Η Αθήνα είναι η πρωτεύουσα της Ελλάδας.",
)
TAGS = ("O", "B-X", "I-X")
MAX_LENGTHS = {"span_qa": 100}
"""Tokens a sequence where 40 would not do: answers must fit into the overlap of windows."""
LABELS = ("no", "perhaps", "yes")


@functools.cache
def toy_tokenizer(family: str) -> PreTrainedTokenizerBase:
    return FAMILIES.load(family).train_tokenizer(TEXTS, 200, 512)


def toy_examples(kind: Kind) -> list[Example]:
    """Twenty to thirty examples, some of them longer than 40 tokens."""
    words = [word for text in TEXTS for word in text.split()]
    texts = [" ".join(words[start : start + 2 + 3 * start % 17]) for start in range(24)]
    match kind:
        case "classification":
            return [Text(f"c{i}", text, texts[-i] if i % 2 else None, LABELS[i % 3]) for i, text in enumerate(texts)]
        case "tagging":
            sentences = [*(tuple(text.split()) for text in texts), ("a", "\u200b", "b" * 300, "c")]
            return [Sentence(f"t{i}", each, tuple(TAGS[(i + j) % 3] for j in range(len(each)))) for i, each in enumerate(sentences)]
        case "span_qa":
            context = " ".join(TEXTS)
            spans = [each for text in TEXTS for each in (text.split()[0], " ".join(text.split()[1:4])) if 0 < len(each) <= 25]
            return [Question(f"q{i}", texts[i], context, (Answer(text, context.index(text)),)) for i, text in enumerate(spans)]
        case "multiple_choice":
            return [Choice(f"m{i}", text, tuple(texts[i : i + 2 + i % 3]), i % 2) for i, text in enumerate(texts[:20])]
        case "retrieval":
            return [each for i, text in enumerate(texts) for each in toy_passages(str(i), text)]
        case "mlm":
            return [Line(f"l{i}", text, texts[-i] if i % 3 else None) for i, text in enumerate(texts)]


def toy_passages(example_id: str, text: str) -> Sequence[Example]:
    return Passage(example_id, text, "query", (example_id,)), Passage(example_id, text[::-1], "candidate", ())


def toy_task(kind: Kind, examples: Iterable[Any] | None = None, **changes: Any) -> Task:
    def generate(_split: str, _language: str) -> Entries:
        return toy_examples(kind) if examples is None else examples

    metrics = {"tagging": ("span_f1", "accuracy"), "span_qa": ("f1", "exact_match")}.get(kind, ("accuracy",))
    labels = {"tagging": TAGS, "classification": LABELS}.get(kind, ())
    fields = {"version": 1, "kind": kind, "languages": ("en", "sw"), "labels": labels, "metrics": metrics, "generate": generate}
    return Task(**(fields | changes))


def toy_data(split: str = "dev", language: str = "en", num_examples: int | None = None, source: str = "generated") -> DataSpec:
    return DataSpec(task="toy", task_version=1, split=split, language=language, num_examples=num_examples, source=source)


def lines_task(**changes: Any) -> Task:
    """A classification task that is read from files: an id, a text and a label a line."""

    def read(paths: Sequence[Path], _language: str) -> Entries:
        for path in paths:
            for line in path.read_text().splitlines():
                example_id, text, label = line.split("\t")
                yield Text(example_id, text, None, label or None)

    files = tuple(
        FileSource(paths={"train": (f"{folder}/train.tsv",), "dev": (f"{folder}/{{language}}.tsv",)}, codes={"sw": "swh"}, read=read)
        for folder in ("new", "old")
    )
    return toy_task("classification", **({"generate": None, "files": files} | changes))
