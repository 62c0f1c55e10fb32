"""What a store can do without: what died half-way, what nobody needs any more, and, under a quota, files that can be computed again.

Numbers are never deleted: a manifest stays when its files go, and a study that needs the files computes them again.
"""

import re
from collections import Counter
from collections.abc import Iterator

from sweeps.leases import Leases
from sweeps.registered_models import FOLDER as MODELS
from sweeps.study import StudyError
from trainables.manifest import Manifest
from trainables.specs import Record
from trainables.store import Store, published_files

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


class Collected(Record):
    """What was deleted, or would be."""

    abandoned_bytes: int
    """Of attempts at stages that no manifest names, and of what a process was writing when it died."""
    progress_bytes: int
    """Of checkpoints of finished stages."""
    quota_bytes: int
    """Of files of finished stages, beyond the quota."""
    stages: tuple[str, ...]
    """The keys of those."""
    kept_bytes: int
    """Of all files of stages that are left."""

    @property
    def freed_bytes(self) -> int:
        """In all."""
        return self.abandoned_bytes + self.progress_bytes + self.quota_bytes


def collect(store: Store, keep_bytes: int | None, *, is_dry: bool) -> Collected:
    """Deletes what the store can do without; with `is_dry`, only counts it. A StudyError if a driver is at work there.

    Under a quota of `keep_bytes` the files of stages go, oldest first: of trained targets before encoders, for those are shared.
    """
    with Leases(store.files, "cache gc") as leases:
        at_work = leases.others()
        if at_work:
            raise StudyError(f"{store.uri}: study {at_work[0].study!r} is being run by {at_work[0]}; wait for it or end it")
        manifests = {key: found for key in sorted(store.keys()) if (found := store.manifest(key)) is not None}
        sizes = store.files.sizes("artifacts")
        published = {path for manifest in manifests.values() for path, _ in published_files(manifest)}
        registered = store.files.sizes(MODELS)
        named = {path: size for path, size in sizes.items() if path in published}
        named |= {path: size for path, size in registered.items() if path.split("/")[1] in manifests}
        abandoned = {path: size for path, size in (sizes | registered).items() if path not in named}
        progress = {path: size for path, size in store.files.sizes("progress").items() if path.split("/")[1] in manifests}
        surplus = _surplus(manifests, named, keep_bytes)
        if not is_dry:
            for path in (*abandoned, *progress):
                store.files.delete(path)
            for key in surplus:
                store.drop_files(key)
                store.files.delete(f"{MODELS}/{key}")
    return Collected(
        abandoned_bytes=sum(abandoned.values()),
        progress_bytes=sum(progress.values()),
        quota_bytes=sum(surplus.values()),
        stages=tuple(surplus),
        kept_bytes=sum(named.values()) - sum(surplus.values()),
    )


def verify(store: Store) -> Iterator[str]:
    """Reads every byte of the store, and sets aside the stages whose files are not as published, one line about each."""
    for key in sorted(store.keys()):
        manifest = store.manifest(key)
        problem = "its manifest cannot be read" if manifest is None else store.alteration(manifest)
        if problem is not None:
            store.quarantine(key)
            yield f"{key}: {problem}; it was set aside and will be computed again"


def parse_size(text: str) -> int:
    """`500G` as bytes, with K, M, G or T for powers of a thousand; a StudyError says what may be given."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", text.strip(), re.IGNORECASE)
    if found is None:
        raise StudyError(f"--keep {text}: give bytes, or a number with K, M, G or T, such as 500G")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def _surplus(manifests: dict[str, Manifest], named: dict[str, int], keep_bytes: int | None) -> dict[str, int]:
    """The bytes of the stages whose files go so that those of all others fit into `keep_bytes`."""
    if keep_bytes is None:
        return {}
    by_stage: Counter[str] = Counter()
    for path, size in named.items():
        by_stage[path.split("/")[1]] += size
    trained_on = {parent for manifest in manifests.values() if manifest.key.startswith("train-") for parent in manifest.parents}
    order = sorted(by_stage, key=lambda key: (key in trained_on, manifests[key].cost.started_at))
    surplus: dict[str, int] = {}
    left = sum(by_stage.values())
    for key in order:
        if left <= keep_bytes:
            break
        surplus[key] = by_stage[key]
        left -= by_stage[key]
    return surplus
