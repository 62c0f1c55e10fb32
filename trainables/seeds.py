"""Random streams that are functions of what they are for, so that nothing random has a state to save."""

import hashlib

import numpy as np


def derive_seed(*parts: int | str) -> int:
    """A 63-bit seed for the purpose that `parts` name, such as `("dropout", seed, step)`."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1


def generator(*parts: int | str) -> np.random.Generator:
    """A numpy generator for the purpose that `parts` name."""
    return np.random.default_rng(derive_seed(*parts))
