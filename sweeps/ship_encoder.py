"""Copies the encoder that `pocket_encoder.yaml` made from the store to trainables/pocket/encoder, where it is shipped."""

import argparse
import shutil
from pathlib import Path

import trainables.pocket
from sweeps.builder import SpecBuilder
from sweeps.home import Home
from sweeps.study_file import load_study
from trainables.store import Store

STUDY = Path(__file__).parent / "studies" / "pocket_encoder.yaml"
FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "heads.json", "heads.safetensors")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--home", type=Path, default=Path("runs"))
    home = Home(arguments.parse_args().home)
    builder = SpecBuilder(load_study(STUDY), STUDY.parent, None)
    pretraining = builder.initial_encoder("pocket").stages[-1]
    source = Store(home.store, home.cache).fetch(pretraining.key)
    target = Path(next(iter(trainables.pocket.__path__))) / "encoder"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for name in FILES:
        shutil.copyfile(source / name, target / name)
    print(f"{pretraining.key} -> {target}, {sum(path.stat().st_size for path in target.iterdir()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
