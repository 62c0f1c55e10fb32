"""Everything after the logits: predictions, counts, measurements, and the table of an evaluation."""

import json
from collections import Counter
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainables.task_cases import CASES
from tests.trainables.toy_data import LABELS, MAX_LENGTHS, TAGS, TEXTS, toy_examples, toy_task, toy_tokenizer
from tests.trainables.toy_training import toy_init
from trainables import evaluate
from trainables.evaluate import evaluate_dev, load_dev_set, run_evaluation
from trainables.examples import Answer, Passage, Question
from trainables.family import FAMILIES
from trainables.features import Features
from trainables.head_files import HeadShape
from trainables.inference import embed
from trainables.metrics import value_of
from trainables.model import Model, load_encoder, with_fresh_heads
from trainables.origins import data_source
from trainables.prepare import make_features
from trainables.random_encoder import save_random_encoder
from trainables.scoring import Scored, score, score_passages
from trainables.span_qa import decode_answers, span_features
from trainables.specs import DataSpec, EvaluateSpec, Pooling, RetrievalProtocol, StageEncoder
from trainables.task import TASKS, Kind, Task

KINDS = get_args(Kind)
TOP_1 = RetrievalProtocol(layer=1, pooling="mean", similarity="cosine", margin="none", neighbours=1)


def perfect_outputs(features: Features, examples, num_classes: int) -> np.ndarray:
    """What `predict` or `embed` would give if the model knew everything."""
    match features.kind:
        case "classification" | "tagging":
            return np.eye(num_classes, dtype=np.float32)[np.maximum(features.targets, 0)]
        case "multiple_choice":
            outputs = np.zeros(len(features.example), dtype=np.float32)
            outputs[np.searchsorted(features.example, np.arange(features.num_examples)) + features.targets] = 1
            return outputs
        case "span_qa":
            outputs = np.zeros((len(features.token_ids), 2), dtype=np.float32)
            for column in (0, 1):
                is_held = features.targets[:, 1] > 0
                outputs[(features.offsets[:-1] + features.targets[:, column])[is_held], column] = 9
                outputs[features.offsets[:-1][~is_held], column] = 5
            return outputs
        case "retrieval":
            return np.eye(100, dtype=np.float32)[[int(example.id) for example in examples]] * 7
        case _:
            return np.where(features.targets < 0, -1, features.targets)


def values(task: Task, scored: Scored) -> dict[str, float]:
    return {name: float(value_of(name, scored.columns, scored.counts_NK.sum(axis=0))) for name in task.metrics}


@pytest.mark.parametrize("family", FAMILIES.names)
@pytest.mark.parametrize("kind", KINDS)
def test_perfect_outputs_score_one(kind: Kind, family: str) -> None:
    task, examples = toy_task(kind), toy_examples(kind)
    features = make_features(task, examples, toy_tokenizer(family), MAX_LENGTHS.get(kind, 40), "score").features
    outputs = perfect_outputs(features, examples, len(task.labels))
    if kind == "retrieval":
        scored = score_passages(task, examples, outputs, TOP_1, 0)
    else:
        scored = score(task, task.labels, "en", examples, features, outputs)
    assert set(values(task, scored).values()) == {1.0}
    queries = [example for example in examples if not isinstance(example, Passage) or example.side == "query"]
    assert scored.ids == [example.id for example in queries]
    assert len(scored.predictions) == len(scored.counts_NK) == len(queries)
    json.dumps(scored.predictions)


@pytest.mark.parametrize("kind", ["classification", "tagging"])
def test_labels_are_matched_by_name(kind: Kind) -> None:
    """XNLI is scored with MNLI's head, which may order its labels otherwise."""
    task, examples = toy_task(kind), toy_examples(kind)
    features = make_features(task, examples, toy_tokenizer("bert"), 40, "score").features
    outputs = perfect_outputs(features, examples, 3)[:, [2, 0, 1]]
    labels = tuple(task.labels[index] for index in (2, 0, 1))
    assert set(values(task, score(task, labels, "en", examples, features, outputs)).values()) == {1.0}
    assert values(task, score(task, task.labels, "en", examples, features, outputs))["accuracy"] < 0.5


def test_another_task_s_head_is_refused() -> None:
    task, examples = toy_task("classification"), toy_examples("classification")
    features = make_features(task, examples, toy_tokenizer("bert"), 40, "score").features
    with pytest.raises(ValueError, match="the head predicts a, b, but the task's are no, perhaps, yes"):
        score(task, ("a", "b"), "en", examples, features, np.zeros((24, 2), dtype=np.float32))


def test_outputs_that_are_not_numbers_are_refused() -> None:
    task, examples = toy_task("classification"), toy_examples("classification")
    features = make_features(task, examples, toy_tokenizer("bert"), 40, "score").features
    with pytest.raises(FloatingPointError, match="not all finite"):
        score(task, LABELS, "en", examples, features, np.full((24, 3), np.nan, dtype=np.float32))


def test_partial_credit_by_hand() -> None:
    """Three sentences: accuracy counts words, span F1 counts spans."""
    task = toy_task("tagging")
    gold = [("B-X", "I-X", "O"), ("O", "O"), ("B-X",)]
    said = [("B-X", "O", "O"), ("O", "B-X"), ("B-X",)]
    examples = [example._replace(words=("a",) * len(tags), tags=tags) for example, tags in zip(toy_examples("tagging"), gold, strict=False)]
    features = make_features(task, examples, toy_tokenizer("bert"), 40, "score").features
    outputs = np.zeros((len(features.token_ids), 3), dtype=np.float32)
    outputs[np.flatnonzero(features.targets >= 0), [TAGS.index(tag) for tags in said for tag in tags]] = 1
    scored = score(task, TAGS, "en", examples, features, outputs)
    assert scored.predictions == [list(tags) for tags in said]
    assert scored.columns == ("span_tp", "span_predicted", "span_gold", "correct", "total")
    assert scored.counts_NK.tolist() == [[0, 1, 1, 2, 3], [0, 1, 0, 1, 2], [1, 1, 1, 1, 1]]
    assert values(task, scored) == {"span_f1": pytest.approx(0.4), "accuracy": pytest.approx(4 / 6)}


def test_binary_f1_is_of_the_second_label() -> None:
    task = toy_task("classification", labels=("different", "same"), metrics=("accuracy", "binary_f1"))
    examples = [each._replace(label=task.labels[i % 2]) for i, each in enumerate(toy_examples("classification")[:4])]
    features = make_features(task, examples, toy_tokenizer("bert"), 40, "score").features
    scored = score(task, task.labels, "en", examples, features, np.eye(2, dtype=np.float32)[[1, 1, 1, 0]])
    assert values(task, scored) == {"accuracy": 0.25, "binary_f1": pytest.approx(0.4)}  # 1 of 3 predicted, 1 of 2 gold


CONTEXT = "a b c d e f g h i j k l m n o p q r s t u v w x y z " * 3


def one_question(answers: tuple[Answer, ...] = (Answer("a b", 0),)) -> tuple[list[Question], Features]:
    questions = [Question("x", "a b", CONTEXT, answers)]
    return questions, span_features(questions, toy_tokenizer("bert"), 512, Counter())


def decode(starts: dict[int, float], ends: dict[int, float], has_unanswerable: bool = False) -> str:
    """Scores by word of the context; -1 is the first token of the sequence."""
    questions, features = one_question()
    first = int(np.flatnonzero(features.char_spans[:, 0] == 0)[0])
    place = {-1: 0, -2: first - 1} | {
        int(features.char_spans[token, 0]) // 2: token for token in range(first, len(features.char_spans) - 1)
    }
    logits = np.zeros((len(features.token_ids), 2), dtype=np.float32)
    for column, scores in enumerate((starts, ends)):
        for word, value in scores.items():
            logits[place[word], column] = value
    return decode_answers(logits, features, questions)[0].said(has_unanswerable)


@pytest.mark.parametrize(
    ("starts", "ends", "has_unanswerable", "answer"),
    [
        ({2: 9}, {4: 9}, False, "c d e"),
        ({2: 9}, {2: 9}, False, "c"),
        ({2: 9}, {1: 9, 3: 5}, False, "c d"),  # it does not end before it starts
        ({0: 9}, {29: 9, 1: 2}, False, CONTEXT[:59]),  # 30 words
        ({0: 9}, {30: 9, 1: 2}, False, "a b"),  # 31 words are too many
        ({-2: 20, 2: 9}, {-2: 20, 3: 9}, False, "c d"),  # outside the context
        ({-1: 20, 2: 9}, {-1: 20, 3: 9}, False, "c d"),
        ({-1: 20, 2: 9}, {-1: 20, 3: 9}, True, ""),
        ({-1: 8, 2: 9}, {-1: 8, 3: 9}, True, "c d"),
    ],
)
def test_the_best_allowed_span_is_the_answer(starts, ends, has_unanswerable: bool, answer: str) -> None:
    assert decode(starts, ends, has_unanswerable) == answer


def test_the_null_score_is_the_smallest_over_the_windows() -> None:
    """A window without the answer says so; the question is unanswerable only if all of them do."""
    task = toy_task("span_qa", has_unanswerable=True)
    examples = toy_examples("span_qa")
    examples[0] = examples[0]._replace(answers=())
    features = make_features(task, examples, toy_tokenizer("bert"), 100, "score").features
    scored = score(task, (), "en", examples, features, perfect_outputs(features, examples, 0))
    assert scored.predictions[0] == ""
    assert "" not in scored.predictions[1:]
    assert values(task, scored) == {"f1": 1.0, "exact_match": 1.0}
    examples[0] = toy_examples("span_qa")[0]
    answerable = toy_task("span_qa")
    assert "" not in score(answerable, (), "en", examples, features, perfect_outputs(features, examples, 0)).predictions


WORDS = sorted({word for text in TEXTS for word in text.replace(",", " ").replace(".", " ").split() if len(word) < 20})


@given(st.data())
def test_a_gold_span_of_words_decodes_to_itself(data: st.DataObject) -> None:
    """In every script, with any white space, wherever the answer lies."""
    words = data.draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=60))
    spaces = data.draw(st.lists(st.sampled_from([" ", "  ", "\n", "\u3000"]), min_size=len(words), max_size=len(words)))
    context = "".join(word + space for word, space in zip(words, spaces, strict=True))
    first = data.draw(st.integers(0, len(words) - 1))
    start = len("".join(word + space for word, space in zip(words[:first], spaces, strict=False)))
    end = (
        start
        + len(words[first])
        + data.draw(st.sampled_from([0, len(spaces[first] + words[first + 1])] if first + 1 < len(words) else [0]))
    )
    questions = [Question("x", "Rome?", context, (Answer(context[start:end], start),))]
    for family in FAMILIES.names:
        features = make_features(toy_task("span_qa"), questions, toy_tokenizer(family), 150, "score").features
        assert [each.text for each in decode_answers(perfect_outputs(features, questions, 0), features, questions)] == [context[start:end]]


def write_files(folder: Path) -> None:
    for name, text in {
        "xnli/dev-en.tsv": "A dog runs.\tA dog moves.\tentailment\nA cat.\tNo cat.\tcontradiction\nA.\tB.\tneutral\n",
        "xnli/dev-sw.tsv": "Mbwa.\tMnyama.\tentailment\nPaka.\tHakuna.\tcontradiction\n",
        "tatoeba/v1/tatoeba.deu-eng.eng": "one\ntwo\nthree\n",
        "tatoeba/v1/tatoeba.deu-eng.deu": "one\ntwo\nthree\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def data_of(task: str, split: str, language: str, folder: Path) -> DataSpec:
    source = data_source(task, split, language, folder)
    return DataSpec(task=task, task_version=TASKS.load(task).version, split=split, language=language, num_examples=None, source=source)


def evaluate_spec(
    task: str, data: tuple[DataSpec, ...], head: str | None, retrieval: RetrievalProtocol | None, threshold_data: tuple[DataSpec, ...] = ()
) -> EvaluateSpec:
    return EvaluateSpec(
        kind="evaluate",
        code_version=1,
        versions=(),
        family="bert",
        encoder=StageEncoder(stage="train-0"),
        task=task,
        head=head,
        data=data,
        max_length=40,
        precision="float32",
        threshold_data=threshold_data,
        retrieval=retrieval,
    )


def toy_nli_model(folder: Path) -> Model:
    save_random_encoder(toy_init("bert", vocabulary_size=400), TEXTS, folder)
    return with_fresh_heads("bert", load_encoder(folder), [HeadShape("mnli", "classification", TASKS.load("mnli").labels)], 5, "float32")


def test_an_evaluation_scores_every_language_with_the_head_of_the_trained_task(tmp_path: Path) -> None:
    write_files(tmp_path)
    model, tokenizer = toy_nli_model(tmp_path / "encoder"), toy_tokenizer("bert")
    data = tuple(data_of("xnli", "dev", language, tmp_path) for language in ("en", "sw"))
    result = run_evaluation(
        evaluate_spec("xnli", data, "mnli", None), model, tokenizer, tmp_path, tmp_path / "cache", tmp_path / "examples.parquet"
    )
    rows = pq.read_table(tmp_path / "examples.parquet").to_pylist()
    assert [(row["language"], row["example_id"]) for row in rows] == [("en", "0"), ("en", "1"), ("en", "2"), ("sw", "0"), ("sw", "1")]
    assert list(rows[0]) == ["language", "example_id", "prediction", "correct", "total"]
    assert {json.loads(row["prediction"]) for row in rows} <= set(TASKS.load("xnli").labels)
    assert [(each.task, each.language, each.split, each.metric, each.n) for each in result.measurements] == [
        ("xnli", "en", "dev", "accuracy", 3),
        ("xnli", "sw", "dev", "accuracy", 2),
    ]
    for each in result.measurements:
        correct = [row["correct"] for row in rows if row["language"] == each.language]
        assert each.value == sum(correct) / len(correct)
    assert result.num_examples == 5
    assert result.num_tokens > 20
    dev_sets = [load_dev_set("mnli", each, tmp_path, tokenizer, 40, tmp_path / "cache") for each in data]
    mean, measurements = evaluate_dev(model, dev_sets)
    assert measurements == result.measurements
    assert mean == pytest.approx(sum(each.value for each in measurements) / 2)
    assert evaluate_dev(model, []) == (None, ())


def test_retrieval_needs_no_head(tmp_path: Path) -> None:
    """Every German sentence equals its English one, so even a random encoder finds it."""
    write_files(tmp_path)
    spec = evaluate_spec("tatoeba", (data_of("tatoeba", "test", "de", tmp_path),), None, TOP_1)
    model = toy_nli_model(tmp_path / "encoder")
    result = run_evaluation(spec, model, toy_tokenizer("bert"), tmp_path, tmp_path / "cache", tmp_path / "examples.parquet")
    assert [(each.value, each.n) for each in result.measurements] == [(1.0, 3)]
    rows = pq.read_table(tmp_path / "examples.parquet").to_pylist()
    assert [(row["example_id"], json.loads(row["prediction"])) for row in rows] == [("0", ["0"]), ("1", ["1"]), ("2", ["2"])]


def test_mining_scores_with_the_threshold_of_dev(tmp_path: Path) -> None:
    """Each gold pair is one sentence twice; the others resemble nothing, and the threshold keeps them out."""
    lines = {"zh": ["a b c d e", "f g h i", "x x", "y", "z z z z"], "en": ["f g h i", "a b c d e", "m n o p q r s", "t u", "v w v w"]}
    for split in ("dev", "test"):
        for side, texts in lines.items():
            path = tmp_path / f"bucc2018/zh-en.{split}.{side}"
            path.parent.mkdir(exist_ok=True)
            path.write_text("".join(f"{side}-{place}\t{text}\n" for place, text in enumerate(texts)))
        (tmp_path / f"bucc2018/zh-en.{split}.gold").write_text("zh-0\ten-1\nzh-1\ten-0\n")
    dev, test = (data_of("bucc2018", split, "zh", tmp_path) for split in ("dev", "test"))
    spec = evaluate_spec("bucc2018", (test,), None, TOP_1, (dev,))
    model = toy_nli_model(tmp_path / "encoder")
    result = run_evaluation(spec, model, toy_tokenizer("bert"), tmp_path, tmp_path / "cache", tmp_path / "examples.parquet")
    assert [(use.split, use.purpose, use.num_examples) for use in result.data] == [("dev", "threshold", 10), ("test", "test", 10)]
    *scores, threshold = result.measurements
    assert [(each.metric, each.split, each.value, each.n) for each in scores] == [
        (name, "test", 1.0, 5) for name in ("mining_f1", "mining_precision", "mining_recall")
    ]
    assert (threshold.metric, threshold.split, threshold.n) == ("threshold", "dev", 5)
    assert 0.5 < threshold.value < 1, "between the cosine of equal sentences and that of the next pair"
    rows = {row["example_id"]: json.loads(row["prediction"]) for row in pq.read_table(tmp_path / "examples.parquet").to_pylist()}
    assert {query: found for query, found in rows.items() if found} == {"zh-0": ["en-1"], "zh-1": ["en-0"]}


def test_candidates_that_languages_share_are_embedded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = next(case for case in CASES if case.task == "lareqa")
    for path, content in case.files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    embedded: list[int] = []

    def counting_embed(model: Model, features: Features, layer: int, pooling: Pooling) -> np.ndarray:
        embedded.append(features.num_examples)
        return embed(model, features, layer, pooling)

    monkeypatch.setattr(evaluate, "embed", counting_embed)
    data = tuple(data_of("lareqa", "test", language, tmp_path) for language in ("de", "en", "de"))
    spec = evaluate_spec("lareqa", data, None, TOP_1)
    result = run_evaluation(
        spec, toy_nli_model(tmp_path / "encoder"), toy_tokenizer("bert"), tmp_path, tmp_path / "cache", tmp_path / "examples.parquet"
    )
    assert embedded[0] > 11, "a question and all candidates, but those that the tokenizer cannot tell apart"
    assert embedded[1:] == [1, 1], "each time another question than the set before had"
    assert result.measurements[0] == result.measurements[2]
    rows = pq.read_table(tmp_path / "examples.parquet").to_pylist()
    assert len(json.loads(rows[0]["prediction"])) == 20


@pytest.mark.parametrize("layer", [-4, 3])
def test_a_layer_that_is_not_there_is_refused(layer: int, tmp_path: Path) -> None:
    write_files(tmp_path)
    spec = evaluate_spec("tatoeba", (data_of("tatoeba", "test", "de", tmp_path),), None, TOP_1.model_copy(update={"layer": layer}))
    with pytest.raises(ValueError, match=f"layer {layer} was asked for, but the encoder has 2"):
        run_evaluation(spec, toy_nli_model(tmp_path / "encoder"), toy_tokenizer("bert"), tmp_path, tmp_path / "cache", tmp_path / "x")
