"""The pocket encoders of several sizes: the same function of what they know, and one word of what they do not."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from trainables.examples import Text
from trainables.model import load_encoder
from trainables.pocket.sized_encoders import SHIPPED, SIZES, write_encoder
from trainables.pocket.world import LANGUAGES, SOURCE
from trainables.sequences import template_of
from trainables.task import TASKS


def sentences(language: str) -> list[str]:
    generate = TASKS.load("pocket_flavour_class").generate
    assert generate is not None
    return [example.text for example in generate("test", language) if isinstance(example, Text)]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: size.name)
def test_larger_encoders_know_more_languages_and_nothing_else(size, tmp_path):
    shipped, shipped_tokenizer = load_encoder(SHIPPED), AutoTokenizer.from_pretrained(SHIPPED)
    num_parameters = write_encoder(size, tmp_path)
    encoder, tokenizer = load_encoder(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    assert num_parameters == encoder.num_parameters() == pytest.approx(size.factor * shipped.num_parameters(), rel=1e-4)
    assert template_of(tokenizer) == template_of(shipped_tokenizer)
    for language in LANGUAGES[: size.num_languages]:
        read = [tokenizer(text)["input_ids"] for text in sentences(language)]
        assert read == [shipped_tokenizer(text)["input_ids"] for text in sentences(language)]
    ids = torch.tensor([tokenizer(sentences(SOURCE)[0])["input_ids"]])
    positions = torch.arange(2, 2 + ids.shape[1])[None]
    hidden, expected = (
        each.embeddings(input_ids=ids, position_ids=positions, token_type_ids=torch.zeros_like(ids)) for each in (encoder, shipped)
    )
    assert torch.equal(hidden, expected)
    for language in LANGUAGES[size.num_languages :]:
        assert len({tuple(tokenizer(text)["input_ids"]) for text in sentences(language)}) == 1


def test_the_command_writes_all_sizes_and_refuses_a_file(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "trainables.pocket.sized_encoders", "--out"]
    done = subprocess.run([*words, str(tmp_path / "out")], capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == len(SIZES)
    (tmp_path / "file").write_text("mine")
    done = subprocess.run([*words, str(tmp_path / "file")], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == f"--out {tmp_path / 'file'}: Not a directory; give a folder that can be written to\n"
