"""The artifact store: the only truth about what was computed, on any file system that pyarrow reaches.

    <store>/manifests/<key>.json            written last; a stage is done exactly when this exists
    <store>/artifacts/<key>/<attempt>/...   the stage's files, each named with its sha256 by the manifest
    <store>/progress/<key>/...              checkpoints of a training that is still going on
    <store>/models/<key>/...                winners, as plain transformers loads them (`sweeps.registered_models`)
    <store>/quarantine/...                  manifests that cannot be read, or whose files turned out missing or altered
    <store>/leases/...                      who is at work (`sweeps.leases`)

Each attempt at a stage writes into a folder of its own and only the manifest says which one counts, so two attempts at once
harm nothing, nothing is ever renamed over anything, and the same layout serves a disk and an object store.

A machine reads the files of an object store from a copy in its cache, which the first process that needs them makes.
"""

import fcntl
import hashlib
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from trainables.manifest import FileRecord, Manifest
from trainables.store_files import StoreFiles


class LostArtifactError(Exception):
    """The files of a stage cannot be had: there are none, or they are not those that were published."""

    def __init__(self, key: str, attempt: str | None, problem: str) -> None:
        super().__init__(key, attempt, problem)
        self.key = key
        self.attempt = attempt
        """Whose files are not as published; None if there are none."""
        self.problem = problem

    def __str__(self) -> str:
        return self.problem


class Store:
    """Artifacts and manifests below one URI or path; `cache` holds verified local copies of remote artifacts."""

    def __init__(self, uri: str, cache: Path) -> None:
        self.files = StoreFiles(uri)
        self.uri = self.files.uri
        self._cache = cache
        if self.files.is_local:
            for folder in ("manifests", "artifacts"):
                self.files.local(folder).mkdir(parents=True, exist_ok=True)

    def keys(self) -> frozenset[str]:
        """The keys of all finished stages, by one listing."""
        return frozenset(name.removesuffix(".json") for name in self.files.names("manifests") if name.endswith(".json"))

    def manifest(self, key: str) -> Manifest | None:
        """The record of a finished stage; None if it is not finished, or if its record cannot be read."""
        content = self.files.read(_manifest_path(key))
        if content is None:
            return None
        try:
            found = Manifest.model_validate_json(content)
        except ValidationError:
            return None
        return found if found.key == key else None

    def damage(self, manifest: Manifest) -> str | None:
        """What is wrong with the files that a manifest names; None if every byte is as published.

        On an object store only their sizes are looked at, for bytes are checked when they are fetched.
        """
        if self.files.is_local:
            try:
                self.files.local(_artifact_path(manifest))
            except OSError as error:
                return f"{error.filename}: {error.strerror}"
            return self.alteration(manifest)
        for path, record in published_files(manifest):
            size = self.files.size(path)
            if size != record.num_bytes:
                return f"{self.uri}/{path} " + ("is missing" if size is None else f"has {size} bytes, not {record.num_bytes}")
        return None

    def alteration(self, manifest: Manifest) -> str | None:
        """As `damage`, with every byte read on an object store too."""
        for path, record in published_files(manifest):
            try:
                problem = _difference(self.files.sha256(path), record)
            except FileNotFoundError:
                problem = "is missing"
            if problem is not None:
                return f"{self.uri}/{path} {problem}"
        return None

    def fetch(self, key: str) -> Path:
        """A local folder with the stage's files, every byte checked; a LostArtifactError says why there is none."""
        manifest = self.manifest(key)
        if manifest is None or manifest.files_dropped:
            raise LostArtifactError(key, None, f"{key} has no files in {self.uri}")
        if not self.files.is_local:
            with self._one_at_a_time(key):
                return self._cached(manifest)
        problem = self.damage(manifest)
        if problem is not None:
            raise LostArtifactError(key, manifest.attempt, problem)
        return self.files.local(_artifact_path(manifest))

    def publish(self, manifest: Manifest, folder: Path) -> Manifest:
        """Copies the files below `folder` into the store, then writes the manifest; returns it as written."""
        attempt = uuid.uuid4().hex[:12]
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        records = tuple(self._put(path, f"artifacts/{manifest.key}/{attempt}", folder) for path in paths)
        published = Manifest.model_validate({**dict(manifest), "attempt": attempt, "files": records})
        self._write_manifest(published)
        return published

    def drop_files(self, key: str) -> int:
        """Deletes the files of a stage and keeps its numbers; returns the bytes freed."""
        manifest = self.manifest(key)
        if manifest is None or manifest.files_dropped:
            return 0
        self._write_manifest(Manifest.model_validate({**dict(manifest), "files_dropped": True}))
        self.files.delete(f"artifacts/{key}")
        return sum(record.num_bytes for record in manifest.files)

    def quarantine(self, key: str) -> None:
        """Takes a damaged stage out of the store, so that it is computed again; its manifest is kept for inspection."""
        content = self.files.read(_manifest_path(key))
        if content is not None:
            self.files.write(f"quarantine/{key}.{uuid.uuid4().hex[:8]}.json", content)
            self.files.delete(_manifest_path(key))

    def progress_folder(self, key: str) -> Path:
        """Where a stage writes its progress checkpoints: in the store if that is local, else in the cache of the machine."""
        return self.files.local(_progress_path(key)) if self.files.is_local else self._cache / _progress_path(key)

    def fetch_progress(self, here: Path) -> None:
        """Brings what another machine left of some progress into its folder here; files say themselves whether they are whole."""
        if self.files.is_local:
            return
        there = here.relative_to(self._cache).as_posix()
        here.mkdir(parents=True, exist_ok=True)
        for name in self.files.names(there):
            if not (here / name).exists():
                aside = here / f".{name}.{uuid.uuid4().hex[:8]}"
                self.files.download(f"{there}/{name}", aside)
                aside.replace(here / name)

    def keep_progress(self, here: Path) -> None:
        """Makes the checkpoints in the store the ones that are in their folder here."""
        if self.files.is_local:
            return
        there = here.relative_to(self._cache).as_posix()
        mine = {path.name: path for path in here.glob("[!.]*")}
        kept = set(self.files.names(there))
        for name in mine.keys() - kept:
            self.files.upload(mine[name], f"{there}/{name}")
        for name in kept - mine.keys():
            self.files.delete(f"{there}/{name}")

    def clear_progress(self, key: str) -> None:
        """Deletes the progress checkpoints of a stage that is finished."""
        if not self.files.is_local:
            shutil.rmtree(self.progress_folder(key), ignore_errors=True)
        self.files.delete(_progress_path(key))

    def _cached(self, manifest: Manifest) -> Path:
        """The copy in the cache, checked; made, or made again, if need be."""
        target = self._cache / _artifact_path(manifest)
        if target.exists() and all(_problem(target / record.path, record) is None for record in manifest.files):
            return target
        shutil.rmtree(target, ignore_errors=True)
        aside = target.with_name(f".{manifest.attempt}.{uuid.uuid4().hex[:8]}")
        aside.mkdir(parents=True)
        try:
            for path, record in published_files(manifest):
                problem = self._download(path, aside / record.path, record)
                if problem is not None:
                    raise LostArtifactError(manifest.key, manifest.attempt, f"{self.uri}/{path} {problem}")
            aside.rename(target)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        return target

    def _download(self, path: str, target: Path, record: FileRecord) -> str | None:
        """What is wrong with what came."""
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.files.download(path, target)
        except FileNotFoundError:
            return "is missing"
        return _problem(target, record)

    @contextmanager
    def _one_at_a_time(self, key: str) -> Iterator[None]:
        """Held by the process of this machine that fills or checks the cache; the kernel releases it however that ends."""
        path = self._cache / "locks" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _put(self, path: Path, target: str, folder: Path) -> FileRecord:
        relative = path.relative_to(folder).as_posix()
        self.files.upload(path, f"{target}/{relative}")
        return FileRecord(path=relative, sha256=_sha256(path), num_bytes=path.stat().st_size)

    def _write_manifest(self, manifest: Manifest) -> None:
        self.files.write(_manifest_path(manifest.key), manifest.model_dump_json(indent=1).encode())


def published_files(manifest: Manifest) -> Iterator[tuple[str, FileRecord]]:
    """The files that a manifest names, each with its path in the store; none if they were dropped."""
    for record in () if manifest.files_dropped else manifest.files:
        yield f"{_artifact_path(manifest)}/{record.path}", record


def _manifest_path(key: str) -> str:
    return f"manifests/{key}.json"


def _artifact_path(manifest: Manifest) -> str:
    return f"artifacts/{manifest.key}/{manifest.attempt}"


def _progress_path(key: str) -> str:
    return f"progress/{key}"


def _problem(path: Path, record: FileRecord) -> str | None:
    """What is wrong with a file on the disk."""
    try:
        return _difference(_sha256(path), record)
    except FileNotFoundError:
        return "is missing"


def _difference(found: str, record: FileRecord) -> str | None:
    return None if found == record.sha256 else f"was altered: its sha256 is {found[:12]}..., published was {record.sha256[:12]}..."


def _sha256(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
