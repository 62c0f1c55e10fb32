"""One small file for each layout of each task, in its published format, and how many examples ../shared/data holds.

Each module defines CASES, and COUNTS by task and split: the number of examples (retrieval: queries) by language.
"""

import importlib
import pkgutil

from tests.trainables.task_cases.case import Case
from trainables.task import Split

_MODULES = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__) if module.name != "case"]
CASES: list[Case] = [case for module in _MODULES for case in module.CASES]
COUNTS: dict[tuple[str, Split], dict[str, int]] = {key: counts for module in _MODULES for key, counts in module.COUNTS.items()}
