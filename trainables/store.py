"""The artifact store: the only truth about what was computed, on any file system that pyarrow reaches.

    <store>/manifests/<key>.json            written last; a stage is done exactly when this exists
    <store>/artifacts/<key>/<attempt>/...   the stage's files, each named with its sha256 by the manifest
    <store>/progress/<key>/...              checkpoints of a training that is still going on
    <store>/quarantine/...                  manifests whose files turned out missing or altered

Each attempt at a stage writes into a folder of its own and only the manifest says which one counts, so two attempts at once
harm nothing, nothing is ever renamed over anything, and the same layout serves a disk and an object store.
"""

import hashlib
import os
import shutil
import uuid
from pathlib import Path

import pyarrow.fs as pafs

from trainables.manifest import FileRecord, Manifest

_BLOCK_BYTES = 1 << 20


class CorruptArtifactError(Exception):
    """A stored file is missing or its bytes are not those that were published."""


class Store:
    """Artifacts and manifests below one URI or path; `cache` holds verified local copies of remote artifacts."""

    def __init__(self, uri: str, cache: Path) -> None:
        # Absolute, because a worker has another working directory.
        self.uri = uri if "://" in uri else str(Path(uri).absolute())
        self._cache = cache
        if "://" in uri:
            self._fs, self._root = pafs.FileSystem.from_uri(uri)
        else:
            self._fs, self._root = pafs.LocalFileSystem(), self.uri
        self._is_local = isinstance(self._fs, pafs.LocalFileSystem)
        for folder in ("manifests", "artifacts"):
            self._fs.create_dir(f"{self._root}/{folder}", recursive=True)

    def keys(self) -> frozenset[str]:
        """The keys of all finished stages, by one listing."""
        selector = pafs.FileSelector(f"{self._root}/manifests")
        return frozenset(info.base_name.removesuffix(".json") for info in self._fs.get_file_info(selector) if info.extension == "json")

    def manifest(self, key: str) -> Manifest | None:
        """The record of a finished stage; None if it is not finished."""
        try:
            with self._fs.open_input_stream(self._manifest_path(key)) as stream:
                return Manifest.model_validate_json(stream.read())
        except FileNotFoundError:
            return None

    def damage(self, manifest: Manifest) -> str | None:
        """What is wrong with the files that a manifest names; None if every byte is as published."""
        if manifest.files_dropped:
            return None
        for record in manifest.files:
            path = f"{self._artifact_path(manifest)}/{record.path}"
            try:
                found = self._sha256(path)
            except FileNotFoundError:
                return f"{path} is missing"
            if found != record.sha256:
                return f"{path} was altered: its sha256 is {found[:12]}..., published was {record.sha256[:12]}..."
        return None

    def fetch(self, key: str) -> Path:
        """A local folder with the stage's files, every byte checked; `CorruptArtifactError` if one is not as published."""
        manifest = self.manifest(key)
        if manifest is None or manifest.files_dropped:
            raise FileNotFoundError(f"{key} has no files in {self.uri}")
        problem = self.damage(manifest)
        if problem is not None:
            raise CorruptArtifactError(problem)
        source = self._artifact_path(manifest)
        if self._is_local:
            return Path(source)
        target = self._cache / "artifacts" / key / manifest.attempt
        if not target.exists():
            aside = target.with_name(f"{manifest.attempt}.{uuid.uuid4().hex[:8]}")
            aside.mkdir(parents=True)
            pafs.copy_files(source, str(aside), source_filesystem=self._fs, destination_filesystem=pafs.LocalFileSystem())
            _rename_unless_there(aside, target)
        return target

    def publish(self, manifest: Manifest, folder: Path) -> Manifest:
        """Copies the files below `folder` into the store, then writes the manifest; returns it as written."""
        attempt = uuid.uuid4().hex[:12]
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        records = tuple(self._put(path, f"{self._root}/artifacts/{manifest.key}/{attempt}", folder) for path in paths)
        published = Manifest.model_validate({**dict(manifest), "attempt": attempt, "files": records})
        self._write_manifest(published)
        return published

    def drop_files(self, key: str) -> int:
        """Deletes the files of a stage and keeps its numbers; returns the bytes freed."""
        manifest = self.manifest(key)
        if manifest is None or manifest.files_dropped:
            return 0
        self._write_manifest(Manifest.model_validate({**dict(manifest), "files_dropped": True}))
        self._delete_folder(f"{self._root}/artifacts/{key}")
        return sum(record.num_bytes for record in manifest.files)

    def quarantine(self, key: str) -> None:
        """Takes a damaged stage out of the store, so that it is computed again; its manifest is kept for inspection."""
        self._fs.create_dir(f"{self._root}/quarantine", recursive=True)
        self._fs.move(self._manifest_path(key), f"{self._root}/quarantine/{key}.{uuid.uuid4().hex[:8]}.json")

    def progress_folder(self, key: str) -> Path:
        """Where the progress checkpoints of a stage lie; next to the store if it is local, else in the local cache."""
        return (Path(self._root) if self._is_local else self._cache) / "progress" / key

    def clear_progress(self, key: str) -> None:
        """Deletes the progress checkpoints of a stage that is finished."""
        shutil.rmtree(self.progress_folder(key), ignore_errors=True)

    def _put(self, path: Path, target: str, folder: Path) -> FileRecord:
        relative = path.relative_to(folder).as_posix()
        self._write(f"{target}/{relative}", path.read_bytes())
        return FileRecord(path=relative, sha256=_file_sha256(path), num_bytes=path.stat().st_size)

    def _write_manifest(self, manifest: Manifest) -> None:
        self._write(self._manifest_path(manifest.key), manifest.model_dump_json(indent=1).encode())

    def _write(self, path: str, data: bytes) -> None:
        """One atomic, durable write: aside, fsync and rename on a disk; a single put on an object store."""
        if not self._is_local:
            with self._fs.open_output_stream(path) as stream:
                stream.write(data)
            return
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
        with open(aside, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(aside, target)

    def _sha256(self, path: str) -> str:
        digest = hashlib.sha256()
        with self._fs.open_input_stream(path) as stream:
            while block := stream.read(_BLOCK_BYTES):
                digest.update(block)
        return digest.hexdigest()

    def _delete_folder(self, path: str) -> None:
        if self._fs.get_file_info(path).type == pafs.FileType.Directory:
            self._fs.delete_dir(path)

    def _manifest_path(self, key: str) -> str:
        return f"{self._root}/manifests/{key}.json"

    def _artifact_path(self, manifest: Manifest) -> str:
        return f"{self._root}/artifacts/{manifest.key}/{manifest.attempt}"


def _file_sha256(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _rename_unless_there(aside: Path, target: Path) -> None:
    try:
        aside.rename(target)
    except OSError:
        # Another process of this machine was first with the same verified bytes.
        shutil.rmtree(aside)
