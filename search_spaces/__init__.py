"""Search spaces, one file each; a file defines SPACE, Optuna distributions by the field of the training that they vary."""

from typing import Any

from trainables.catalogue import Catalogue

SPACES: Catalogue[dict[str, Any]] = Catalogue("search_spaces", "SPACE", dict, "search space")
"""All spaces: the files in this folder."""
