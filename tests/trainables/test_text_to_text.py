"""Text-to-text against transformers' own mT5: likelihoods, what is written, the loss, and what is no label."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoTokenizer, MT5ForConditionalGeneration

from tests.trainables.test_benchmark import benchmark_job
from tests.trainables.toy_stages import data_spec, evaluate_job, make_job, train_job, write_toy_data
from tests.trainables.toy_training import save_toy_encoder, toy_features, toy_init
from trainables.benchmark_names import ARM_NAMES, TIMES_FILE
from trainables.evaluate import NO_LABEL
from trainables.examples import Choice, Text
from trainables.features import IGNORED, Features
from trainables.head_files import HeadShape
from trainables.inference import predict
from trainables.manifest import Manifest
from trainables.model import Model, add_decoder, load_encoder, load_model, save_model, with_fresh_heads
from trainables.models.mt5 import make_config
from trainables.packing import pack
from trainables.prepare import written_features
from trainables.scoring import score
from trainables.specs import Form, Job, MixtureTask, StageEncoder
from trainables.stage import run_stage
from trainables.store import Store
from trainables.task import TASKS
from trainables.text_to_text import KIND, input_texts, label_words

WORDS = ((7, 9, 1), (7, 8, 11, 1), (12, 1))
"""Of three labels: two that begin alike, one that is shorter; 1 is the end."""
SHAPE = HeadShape("classify", KIND, ("a", "b", "c"), WORDS)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole model as it is published, with an output matrix of its own."""
    folder = tmp_path_factory.mktemp("whole")
    torch.manual_seed(3)
    model = MT5ForConditionalGeneration(make_config(toy_init("mt5"), 120))
    model.lm_head.weight = torch.nn.Parameter(0.2 * torch.randn(120, 32))
    for block in model.decoder.block:  # so that what is written depends on what is read
        block.layer[1].EncDecAttention.o.weight.data *= 20
    model.config.tie_word_embeddings = False
    model.save_pretrained(folder)
    return folder


def model_of(folder: Path, form: Form) -> Model:
    model = with_fresh_heads("mt5", load_encoder(folder), [SHAPE], 0, "float32")
    add_decoder(model, folder, None, 0, form)
    return model


def plain_of(model: Model) -> MT5ForConditionalGeneration:
    """transformers' own model with the same weights."""
    assert model.decoder is not None
    config = make_config(toy_init("mt5"), 120)
    plain = MT5ForConditionalGeneration(config).eval()
    plain.encoder.load_state_dict(
        {name.removeprefix("encoder."): w for name, w in model.encoder.state_dict().items() if name != "shared.weight"}
    )
    decoder = {name.removeprefix("stack."): weight for name, weight in model.decoder.stack.state_dict().items()}
    plain.decoder.load_state_dict(decoder | {"embed_tokens.weight": model.encoder.get_input_embeddings().weight})
    plain.lm_head = torch.nn.Linear(32, 120, bias=False)
    plain.lm_head.weight = model.decoder.lm_head.weight
    return plain


def features_of(num: int = 24) -> Features:
    return toy_features("classification", num)._replace(kind=KIND)


def padded(features: Features) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = np.diff(features.offsets)
    ids = torch.zeros((len(lengths), lengths.max()), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, (start, length) in enumerate(zip(features.offsets, lengths, strict=False)):
        ids[row, :length] = torch.from_numpy(features.token_ids[start : start + length])
        mask[row, :length] = 1
    return ids, mask


def log_likelihoods(plain: MT5ForConditionalGeneration, features: Features) -> np.ndarray:
    """[S, C] of every label, each alone, on padded sequences."""
    ids, mask = padded(features)
    found = []
    with torch.inference_mode():
        for word in WORDS:
            labels = torch.tensor(word).repeat(len(ids), 1)
            logits = plain(input_ids=ids, attention_mask=mask, labels=labels).logits.log_softmax(-1)
            found.append(logits.gather(2, labels[:, :, None]).sum((1, 2)))
    return torch.stack(found, 1).numpy()


def test_a_published_model_s_decoder_is_taken_whole(whole):
    model = model_of(whole, "scored")
    weights = MT5ForConditionalGeneration.from_pretrained(whole).state_dict()
    assert model.decoder is not None
    assert torch.equal(model.decoder.lm_head.weight, weights["lm_head.weight"])
    assert not torch.equal(weights["lm_head.weight"], weights["shared.weight"])
    assert torch.equal(
        model.decoder.stack.block[1].layer[1].EncDecAttention.k.weight, weights["decoder.block.1.layer.1.EncDecAttention.k.weight"]
    )


def test_labels_are_compared_as_transformers_own_model_finds_them_likely(whole):
    model, features = model_of(whole, "scored"), features_of()
    expected = torch.from_numpy(log_likelihoods(plain_of(model), features)).softmax(1).numpy()
    outputs = predict(model, features, "classify", max_tokens=150)
    np.testing.assert_allclose(outputs[:, :3], expected, atol=1e-5)
    assert (outputs[:, 3:] == 0).all()
    assert outputs[:, 0].max() > 2 * outputs[:, 0].min(), "answers depend on what is read"


def test_what_is_written_is_what_transformers_own_model_writes(whole):
    model, features = model_of(whole, "generated"), features_of()
    assert model.decoder is not None
    plain = plain_of(model)
    ids, mask = padded(features)
    expected = plain.generate(input_ids=ids, attention_mask=mask, do_sample=False, num_beams=1, max_new_tokens=4)[:, 1:]
    lengths = [row.index(1) + 1 if 1 in row else 4 for row in expected.tolist()]
    outputs = predict(model, features, "classify", max_tokens=150)
    assert outputs[:, -1].tolist() == lengths
    assert len({tuple(row) for row in expected.tolist()}) > 1, "what is written depends on what is read"
    for row, length, output in zip(expected.tolist(), lengths, outputs.tolist(), strict=True):
        said = tuple(row[:length])
        assert output[:4] == [float(said == word) for word in WORDS] + [float(said not in WORDS)]


def test_a_label_is_recognised_when_it_is_written(whole):
    """An output matrix that always says the second label."""
    model = model_of(whole, "generated").eval()
    assert model.decoder is not None
    written = iter([*WORDS[1], 5, 5])

    def say(_module: object, _args: object, output: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.one_hot(torch.full(output.shape[:2], next(written)), 120).float()

    model.decoder.lm_head.register_forward_hook(say)
    packed = pack(features_of(3), np.arange(3), CPU)
    with torch.inference_mode():
        assert model.logits(packed, "classify").tolist() == [[0, 1, 0, 0, 4]] * 3


def test_the_loss_is_that_of_the_right_words(whole):
    model, features = model_of(whole, "scored").train(), features_of()
    packed = pack(features, np.arange(24), CPU)
    loss = model(packed, "classify")
    expected = -log_likelihoods(plain_of(model), features)[np.arange(24), features.targets].sum()
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_a_saved_model_answers_as_before(whole, tmp_path):
    model, features = model_of(whole, "scored"), features_of()
    tokenizer = AutoTokenizer.from_pretrained(save_toy_encoder("mt5", tmp_path / "random"))
    save_model(model, tokenizer, tmp_path / "saved")
    for form in ("scored", "generated"):
        model.form = form
        again = load_model("mt5", tmp_path / "saved", "float32", form=form)
        assert again.shapes == model.shapes
        np.testing.assert_array_equal(predict(again, features, "classify"), predict(model, features, "classify"))


def test_a_random_encoder_gets_a_decoder_of_the_seed(tmp_path):
    folder = save_toy_encoder("mt5", tmp_path)
    one, same, other = (with_fresh_heads("mt5", load_encoder(folder), [SHAPE], 0, "float32") for _ in range(3))
    for model, seed in ((one, 0), (same, 0), (other, 1)):
        add_decoder(model, folder, None, seed, "scored")
    weights = [model.state_dict()["decoder.lm_head.weight"] for model in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_texts_are_named_as_in_the_paper():
    def text_of(head: str, example: Text | Choice) -> str:
        return " ".join(filter(None, input_texts(head, TASKS.load(head), example)))

    pair = Text("0", "A dog runs.", "It moves.", "entailment")
    assert text_of("xnli", pair) == "xnli: premise: A dog runs. hypothesis: It moves."
    assert text_of("pawsx", pair) == "pawsx: sentence1: A dog runs. sentence2: It moves."
    assert text_of("pocket_rank_class", pair._replace(pair=None)) == "pocket_rank_class: sentence: A dog runs."
    choice = Choice("0", "It rained. Effect?", ("Wet.", "Dry."), 0)
    assert text_of("copa", choice) == "copa: premise: It rained. Effect? choice1: Wet. choice2: Dry."


def test_the_longer_part_is_cut_as_before_a_head(tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(save_toy_encoder("mt5", tmp_path))
    task = TASKS.load("xnli")
    long_premise = Text("0", "bar " * 100, "dest", task.labels[0])
    features = written_features("xnli", task, [long_premise], tokenizer, 60).features
    hypothesis = tokenizer("hypothesis: dest")["input_ids"]
    assert features.token_ids[-len(hypothesis) :].tolist() == hypothesis
    whole = tokenizer("xnli: premise: bar hypothesis: dest")["input_ids"]
    short = written_features("xnli", task, [long_premise._replace(text="bar")], tokenizer, 200).features
    assert short.token_ids.tolist() == whole, "parts are tokenized as the whole is"


def test_answers_that_are_no_label_are_wrong_and_not_taken_for_one(tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(save_toy_encoder("mt5", tmp_path))
    task = TASKS.load("xnli")
    examples = [Text(str(number), "bar", "dest", label) for number, label in enumerate(task.labels)]
    features = written_features("mnli", task, examples, tokenizer, 40).features
    assert features.kind == KIND
    assert features.targets.tolist() == [0, 1, 2]
    outputs = np.array([[1, 0, 0, 0, 3], [0, 0, 0, 1, 4], [1, 0, 0, 0, 3]], np.float32)
    scored = score(task, task.labels, "en", examples, features, outputs)
    assert scored.predictions == [task.labels[0], "", task.labels[0]]
    assert scored.counts_NK.sum(0).tolist() == [1, 3]
    choices = [Choice("0", "bar", ("dest", "kim"), 1), Choice("1", "bar", ("dest", "kim"), 0)]
    written = written_features("copa", TASKS.load("copa"), choices, tokenizer, 40).features
    said = score(TASKS.load("xcopa"), ("choice1", "choice2"), "sw", choices, written, np.array([[0, 1, 0, 2], [0, 0, 1, 2]], np.float32))
    assert (said.predictions, said.counts_NK.sum(0).tolist()) == ([1, -1], [1, 2])


def test_labels_that_cannot_be_told_apart_or_written_are_refused(tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(save_toy_encoder("mt5", tmp_path))
    assert all(word[-1] == tokenizer.eos_token_id for word in label_words(tokenizer, ["bar", "dest"]))
    with pytest.raises(ValueError, match="the labels 'bar' and 'bar ' are the same tokens"):
        label_words(tokenizer, ["bar", "bar "])
    with pytest.raises(ValueError, match="the model's tokenizer cannot write the label '龍'"):
        label_words(tokenizer, ["bar", "龍"])


def test_cut_texts_are_counted(tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(save_toy_encoder("mt5", tmp_path))
    examples = [Text("0", "bar " * 50, None, "low"), Text("1", "bar", None, "low")]
    task = TASKS.load("pocket_rank_class")
    examples = [example._replace(label=task.labels[0]) for example in examples]
    found = written_features("pocket_rank_class", task, examples, tokenizer, 40)
    assert found.cut["cut to max_length"] >= 1
    assert np.diff(found.features.offsets).max() == 40
    assert found.features.token_ids[found.features.offsets[1] - 1] == tokenizer.eos_token_id
    assert IGNORED not in found.features.targets


def test_stages_train_evaluate_and_time_what_is_written(tmp_path):
    """From a random encoder to text, over an intermediate training that the decoder goes on from."""
    folder = write_toy_data(tmp_path)
    with (folder / "text/en.txt").open("a") as lines:
        lines.write("0 1 01 10\n" * 20)  # so that the labels have tokens
    store = Store(str(folder / "store"), folder / "cache")

    def run(job: Job) -> Manifest:
        return run_stage(job, store, lambda _: None)

    text = (data_spec(folder, "text", "train"), data_spec(folder, "pawsx", "train"))
    encoder = run(make_job(folder, toy_init("mt5", tokenizer_text=text, vocabulary_size=300)))
    mixture = (
        MixtureTask(train=data_spec(folder, "pawsx", "train"), dev=(data_spec(folder, "pawsx", "dev[:50]"),), weight=1.0, share=None),
    )
    changes: dict[str, Any] = {"family": "mt5", "form": "scored", "mixture": mixture, "learning_rate": 3e-3}
    first = run(train_job(folder, encoder.key, steps=150, **changes))
    assert first.score is not None
    assert first.effort is not None
    assert first.effort.num_parameters > 2 * 300 * 32, "embeddings, and the decoder's output matrix"
    second = run(train_job(folder, first.key, steps=1, num_evals=1, **{**changes, "learning_rate": 1e-9}))
    assert second.score == pytest.approx(first.score), "the decoder is taken over, not made anew"
    scored, generated = (run(evaluate_job(folder, second.key, family="mt5", form=form)) for form in ("scored", "generated"))
    assert [(each.metric, each.language, each.n) for each in scored.measurements] == [("accuracy", "en", 120), ("accuracy", "de", 120)]
    assert first.score > 0.45
    answered = [row["prediction"] for row in pq.read_table(store.fetch(generated.key) / "examples.parquet").to_pylist()]
    unanswered = sum(answer == '""' for answer in answered)
    assert set(answered) <= {'"0"', '"1"', '""'}
    assert unanswered == sum(use.cut.get(NO_LABEL, 0) for use in generated.data)
    arms = (StageEncoder(stage=first.key), StageEncoder(stage=second.key))
    timed = run(benchmark_job(folder, *arms, family="mt5", form="generated", precisions=("float32",), batch_sizes=(4,)))
    rows = pq.read_table(store.fetch(timed.key) / TIMES_FILE).to_pylist()
    assert all(1 * row["num_examples"] <= row["num_written"] for row in rows)
    lengths = {each.metric: each.value for each in timed.measurements if each.metric.startswith("written_tokens")}
    longest = max(map(len, label_words(AutoTokenizer.from_pretrained(store.fetch(first.key)), ("0", "1"))))
    assert set(lengths) == {f"written_tokens batch 4 length {length} float32 {arm}" for length in ("text", "16") for arm in ARM_NAMES}
    assert all(1 <= value <= longest for value in lengths.values())


@pytest.mark.parametrize("length", [4, 6, 9, 60])
def test_no_answer_of_a_fresh_model_is_mapped_to_a_label(tmp_path, length):
    """What a random decoder writes is no label of such a length, and all of it is counted."""
    folder = save_toy_encoder("mt5", tmp_path)
    words = tuple((*[50 + label] * (length - 1), 1) for label in range(3))
    model = with_fresh_heads("mt5", load_encoder(folder), [HeadShape("classify", KIND, ("a", "b", "c"), words)], 0, "float32")
    add_decoder(model, folder, None, 0, "generated")
    outputs = predict(model, features_of(), "classify")
    assert (outputs[:, :3].sum(1) + outputs[:, 3] == 1).all()
    assert (outputs[:, -1] <= length).all()
