"""Files below one URI or path, on a disk or an object store: whole or not there, and asked for again where a network fails."""

import contextlib
import errno
import functools
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

import pyarrow.fs as pafs

BLOCK_BYTES = 1 << 20
_WAITS_S = (0.5, 2.0, 8.0, 30.0)
"""Before each further try at an object store that answers with an error; pyarrow has tried a few times by itself by then."""

T = TypeVar("T")


class StoreFiles:
    """Paths are relative to the URI, with slashes. What is read and written is bytes; nothing is ever half there."""

    def __init__(self, uri: str) -> None:
        # Absolute, because a worker has another working directory.
        self.uri = uri if "://" in uri else str(Path(uri).absolute())
        if "://" in uri:
            self._fs, self._root = pafs.FileSystem.from_uri(uri)
        else:
            self._fs, self._root = pafs.LocalFileSystem(), self.uri
        self.is_local = isinstance(self._fs, pafs.LocalFileSystem)

    def local(self, path: str) -> Path:
        """Where a file lies on the disk, if that is where all lie; an OSError if a link that somebody put there leads elsewhere.

        The store itself and its folders may be links, for these are their owner's.
        """
        assert self.is_local, f"{self.uri} is no folder"
        place, top = Path(self._root, path), Path(self._root, *Path(path).parts[:1])
        if not place.resolve().is_relative_to(top.resolve()):
            raise OSError(errno.ELOOP, f"it leads out of {top}, to {place.resolve()}; delete it", str(place))
        return place

    def names(self, folder: str) -> list[str]:
        """What lies in a folder, in order, but for what is being written; nothing if it is not there."""
        selector = pafs.FileSelector(f"{self._root}/{folder}", allow_not_found=True)
        found = self._trying(functools.partial(self._fs.get_file_info, selector))
        return sorted(info.base_name for info in found if not info.base_name.startswith("."))

    def size(self, path: str) -> int | None:
        """In bytes; None if there is no such file."""
        info = self._trying(functools.partial(self._fs.get_file_info, f"{self._root}/{path}"))
        return info.size if info.type == pafs.FileType.File else None

    def sizes(self, folder: str) -> dict[str, int]:
        """Bytes of all files in a folder and below, by their paths, what is being written among them; nothing if it is not there.

        A link on a disk is a file, wherever it leads.
        """
        if self.is_local:
            return {path.relative_to(self._root).as_posix(): path.lstat().st_size for path in _files_below(Path(self._root, folder))}
        selector = pafs.FileSelector(f"{self._root}/{folder}", recursive=True, allow_not_found=True)
        found = self._trying(functools.partial(self._fs.get_file_info, selector))
        return {info.path.removeprefix(f"{self._root}/"): info.size for info in found if info.type == pafs.FileType.File}

    def sha256(self, path: str) -> str:
        """Of a file's bytes; FileNotFoundError if it is not there."""

        def digest() -> str:
            found = hashlib.sha256()
            with self._fs.open_input_stream(f"{self._root}/{path}") as stream:
                while block := stream.read(BLOCK_BYTES):
                    found.update(block)
            return found.hexdigest()

        return self._trying(digest)

    def read(self, path: str) -> bytes | None:
        """All bytes of a file; None if it is not there."""

        def whole() -> bytes:
            with self._fs.open_input_stream(f"{self._root}/{path}") as stream:
                content: bytes = stream.read()
                return content

        try:
            return self._trying(whole)
        except FileNotFoundError:
            return None

    def write(self, path: str, content: bytes) -> None:
        """One atomic, durable write: aside, fsync and rename on a disk; a single put on an object store."""

        def put() -> None:
            with self._whole(path) as stream:
                stream.write(content)

        self._trying(put)

    def create(self, path: str, content: bytes) -> bool:
        """Writes a file that must not be there; False if it is. On an object store two who do so at the same moment may both succeed."""
        if not self.is_local:
            if self.read(path) is not None:
                return False
            self.write(path, content)
            return self.read(path) == content
        target = self.local(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = _aside(target)
        aside.write_bytes(content)
        try:
            os.link(aside, target)  # whole or not at all, and only if there is none
        except FileExistsError:
            return False
        finally:
            aside.unlink()
        return True

    def delete(self, path: str) -> None:
        """Deletes a file or a folder, if it is there; of a link nothing but the link."""

        def remove() -> None:
            if self.is_local:
                place = Path(self._root, path)
                if place.is_dir() and not place.is_symlink():
                    shutil.rmtree(place)
                else:
                    place.unlink()
                return
            target = f"{self._root}/{path}"
            match self._fs.get_file_info(target).type:
                case pafs.FileType.Directory:
                    self._fs.delete_dir(target)
                case pafs.FileType.File:
                    self._fs.delete_file(target)

        with contextlib.suppress(FileNotFoundError):  # somebody else was first
            self._trying(remove)

    def upload(self, source: Path, path: str) -> None:
        """As `write`, of a file that may be larger than memory."""

        def put() -> None:
            with open(source, "rb") as file, self._whole(path) as stream:
                shutil.copyfileobj(file, stream, BLOCK_BYTES)

        self._trying(put)

    def download(self, path: str, target: Path) -> None:
        """Copies a file to the disk, not atomically; FileNotFoundError if it is not there."""

        def copy() -> None:
            with self._fs.open_input_stream(f"{self._root}/{path}") as stream, open(target, "wb") as file:
                shutil.copyfileobj(stream, file, BLOCK_BYTES)

        self._trying(copy)

    @contextlib.contextmanager
    def _whole(self, path: str) -> Iterator[BinaryIO]:
        """A stream whose bytes become the file at the end, all or none of them."""
        if not self.is_local:
            with self._fs.open_output_stream(f"{self._root}/{path}") as stream:
                yield stream
            return
        target = self.local(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = _aside(target)
        try:
            with open(aside, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(aside, target)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise

    def _trying(self, action: Callable[[], T]) -> T:
        """The action's result; an object store that answers with an error is asked again, a few times. All actions may be repeated."""
        for wait_s in () if self.is_local else _WAITS_S:
            try:
                return action()
            except FileNotFoundError:
                raise
            except OSError:
                time.sleep(wait_s)
        return action()


def _files_below(folder: Path) -> Iterator[Path]:
    """With links to folders among the files: nobody goes where they lead."""
    for parent, folders, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)
        yield from (path for name in folders if (path := Path(parent, name)).is_symlink())


def _aside(target: Path) -> Path:
    return target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
