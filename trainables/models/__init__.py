"""Model families, one file each; this lists their names without importing any, for planning."""

import functools
import pkgutil


@functools.cache
def family_names() -> tuple[str, ...]:
    """The names of all model families: the file names in this folder."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))
