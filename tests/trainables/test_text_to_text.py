"""Text-to-text against transformers' own mT5: likelihoods, what is written, the loss, and what is no label."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, MT5ForConditionalGeneration

from tests.trainables.toy_training import save_toy_encoder, toy_features, toy_init
from trainables.examples import Choice, Text
from trainables.features import IGNORED, Features
from trainables.heads import HeadShape
from trainables.inference import predict
from trainables.model import Model, add_decoder, load_encoder, load_model, save_model, with_fresh_heads
from trainables.models.mt5 import make_config
from trainables.packing import pack
from trainables.prepare import written_features
from trainables.scoring import score
from trainables.specs import Form
from trainables.task import TASKS
from trainables.text_to_text import KIND, input_text, label_words

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
    pair = Text("0", "A dog runs.", "It moves.", "entailment")
    assert input_text("xnli", TASKS.load("xnli"), pair) == "xnli: premise: A dog runs. hypothesis: It moves."
    assert input_text("pawsx", TASKS.load("pawsx"), pair) == "pawsx: sentence1: A dog runs. sentence2: It moves."
    single = pair._replace(pair=None)
    assert input_text("pocket_rank_class", TASKS.load("pocket_rank_class"), single) == "pocket_rank_class: sentence: A dog runs."
    choice = Choice("0", "It rained. Effect?", ("Wet.", "Dry."), 0)
    assert input_text("copa", TASKS.load("copa"), choice) == "copa: premise: It rained. Effect? choice1: Wet. choice2: Dry."


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


def test_labels_that_are_the_same_tokens_are_refused(tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(save_toy_encoder("mt5", tmp_path))
    assert all(word[-1] == tokenizer.eos_token_id for word in label_words(tokenizer, ["bar", "dest"]))
    with pytest.raises(ValueError, match="the labels 'bar' and 'bar ' are the same tokens"):
        label_words(tokenizer, ["bar", "bar "])


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
