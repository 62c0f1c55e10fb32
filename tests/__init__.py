"""Tests of polystilts; `tests/` mirrors the tree."""

from hypothesis import settings

# a busy machine makes any example slow
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
