"""Hands a study to the job server of a Ray cluster, under an id made from the study, so that the same command joins what runs already."""

import asyncio
import hashlib
import logging
import os
import shlex
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sweeps.brakes import limits
from sweeps.opened import open_study
from sweeps.study import Study, StudyError
from sweeps.synthesis import LANGUAGE, MUSE_DICTIONARIES, BackTranslate, CodeSwitch, Synthesis, Translate
from trainables.scratch import scratch_folder

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

MAX_PACKAGE_BYTES = 200 * 2**20
"""Of what travels with a study: it lies in the memory of the head and is fetched by each machine."""
_LOST_AFTER_S = 60.0
"""Without an answer the head counts as lost."""
_RETRY_S = 2.0
_HASH_LENGTH = 12
_PRICES_FILE = ".polystilts-prices.yaml"


class SubmitError(ValueError):
    """What was given is wrong, or the cluster does not answer; one line."""


class Submitted(NamedTuple):
    """A study on a cluster."""

    job: str
    """The id of Ray's job: `<study>-<hash>-<attempt>`."""
    has_joined: bool
    """Whether it ran already."""
    exit_code: int | None
    """The job's; None where nobody waited for it."""


class Package(NamedTuple):
    """What travels: the study and the folders that it names by relative paths, as they lie to each other."""

    root: Path
    study: str
    """The study file's path below the root."""
    files: tuple[str, ...]
    """All paths below the root, the study's among them."""


class Spending(NamedTuple):
    """Limits of `polystilts run`, as they are given here."""

    max_hours: float | None
    max_cost: float | None
    prices: Path | None
    """A file of this machine; it travels with the study."""

    @property
    def options(self) -> list[str]:
        """As words of the command on the cluster."""
        prices = None if self.prices is None else _PRICES_FILE
        return _words({"--max-hours": self.max_hours, "--max-cost": self.max_cost, "--prices": prices})


class Places(NamedTuple):
    """What `polystilts run` is given, as it is called on the cluster."""

    home: str
    store: str | None
    data: str | None

    @property
    def options(self) -> list[str]:
        """As words of the command."""
        return _words({"--home": self.home, "--store": self.store, "--data": self.data})


def _words(options: Mapping[str, float | str | None]) -> list[str]:
    """Of a command, for the options that are given."""
    return [word for option, value in options.items() if value is not None for word in (option, str(value))]


def submit_study(path: Path, address: str, places: Places, spending: Spending, *, waits: bool, write: Callable[[str], None]) -> Submitted:
    """Starts `polystilts run` on the cluster at a URL, or joins it, and writes what it prints until it ends, if `waits`.

    The study is planned here first, so that a mistake in it (a StudyError) never reaches the cluster. Limits are no part of what is joined:
    a study that runs keeps those that it began with.
    """
    _check_places(address, places)
    limits(*spending)
    with scratch_folder() as scratch:
        opened = open_study(path, scratch / "home", None, None, needs_files=False)
        package = package_of(opened.study, path)
        archive = scratch / "study.zip"
        write_package(package, archive)
        words = ["polystilts", "run", package.study, *places.options]
        digest = hashlib.sha256(shlex.join(words).encode() + archive.read_bytes()).hexdigest()[:_HASH_LENGTH]
        if spending.prices is not None:
            with zipfile.ZipFile(archive, "a") as written:
                written.write(spending.prices, _PRICES_FILE)
        entrypoint = shlex.join([*words, *spending.options])
        with _in_one_line(address):
            client = _client(address)
            job, has_joined = _hand_over(client, f"{opened.study.name}-{digest}", entrypoint, archive)
    write(f"{opened.study.name}: {'joined the running' if has_joined else 'submitted'} job {job}\n")
    with _in_one_line(address):
        return Submitted(job, has_joined, _follow(client, job, address, write) if waits else None)


def package_of(study: Study, path: Path) -> Package:
    """What has to travel with a study file; a StudyError for more than a head should hold.

    What a study names by an absolute path does not travel: it has to lie there on the cluster too.
    """
    base = path.resolve().parent
    folders = [Path(os.path.normpath(base / name)) for name in _folders(study) if not Path(name).is_absolute()]
    root = Path(os.path.commonpath([base, *folders]))
    found = {path.resolve(), *(file for folder in folders for file in folder.rglob("*") if file.is_file())}
    for folder in folders:
        for file in sorted(found):
            if file.is_relative_to(folder) and not file.resolve().is_relative_to(folder.resolve()):
                raise StudyError(
                    f"{path.name}: {file} is a link that leads out of its folder, to {file.resolve()}; put the file there itself"
                )
    num_bytes = sum(file.stat().st_size for file in found)
    if num_bytes > MAX_PACKAGE_BYTES:
        found_mib, most_mib = num_bytes / 2**20, MAX_PACKAGE_BYTES / 2**20
        raise StudyError(
            f"{path.name}: the folders that it names hold {found_mib:,.0f} MiB, but at most {most_mib:.0f} MiB travel with a study; "
            "put them where all machines find them and name them by an absolute path, or use the hub"
        )
    files = sorted(file.relative_to(root).as_posix() for file in found)
    return Package(root, path.resolve().relative_to(root).as_posix(), tuple(files))


def write_package(package: Package, archive: Path) -> None:
    """A ZIP file whose bytes depend on names and content alone, so that Ray knows a package that it has."""
    with zipfile.ZipFile(archive, "w") as written:
        for name in package.files:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o644 << 16
            written.writestr(entry, (package.root / name).read_bytes())


def _folders(study: Study) -> Iterator[str]:
    """The folders that a study names, as it names them."""
    yield from (model.folder for model in study.models.values() if model.folder is not None)
    uses = [use for mixture in study.mixtures().values() for use in mixture.tasks.values()]
    uses += [use for axis in study.axes.values() for value in axis.values() for use in value.mixed_in.values()]
    for use in uses:
        if use.synthetic is not None:
            yield from _folders_of(use.synthetic)


def _folders_of(synthesis: Synthesis) -> Iterator[str]:
    if isinstance(synthesis, CodeSwitch):
        yield from () if synthesis.dictionary == MUSE_DICTIONARIES else (synthesis.dictionary,)
    elif synthesis.folder is not None:
        names = [synthesis.folder, *((synthesis.back,) if isinstance(synthesis, BackTranslate) and synthesis.back else ())]
        match synthesis:
            case Translate():
                languages = synthesis.languages
            case BackTranslate():
                languages = (synthesis.pivot,)
            case _:
                languages = ("",)
        yield from (name.replace(LANGUAGE, language) for name in names for language in languages)


def _check_places(address: str, places: Places) -> None:
    if not address.startswith(("http://", "https://")):
        raise SubmitError(f"--address {address}: is no URL; give that of the cluster's dashboard, such as http://127.0.0.1:8265")
    for option, place in (("--home", places.home), ("--data", places.data)):
        if place is not None and not place.startswith("/"):
            raise SubmitError(f"{option} {place}: is a folder of the cluster's machines; give an absolute path, and a URI as --store")
    if places.store is not None and not (places.store.startswith("/") or "://" in places.store):
        raise SubmitError(
            f"--store {places.store}: is a place on the cluster; give a URI, such as s3://bucket/polystilts, or an absolute path"
        )


@contextmanager
def _in_one_line(address: str) -> Iterator[None]:
    """What goes wrong between here and the job server, with its remedy."""
    from ray.exceptions import AuthenticationError  # seconds to import; no other verb needs it

    try:
        yield
    except SubmitError:
        raise
    except AuthenticationError:
        remedy = "set RAY_AUTH_MODE=token, and put the cluster's token into ~/.ray/auth_token"
        raise SubmitError(f"--address {address}: the cluster asks for its token, which was not given or is another one; {remedy}") from None
    except ConnectionError:
        remedy = "start the cluster, or forward its port (`ray dashboard cluster.yaml`)"
        raise SubmitError(f"--address {address}: nothing answers there; {remedy}") from None
    except (OSError, RuntimeError, ValueError, KeyError) as error:  # whatever answered, it is no job server, or one that refuses
        raise SubmitError(f"--address {address}: {' '.join(str(error).split())}; is this the dashboard of a Ray cluster?") from None


def _client(address: str) -> "JobSubmissionClient":
    from ray.job_submission import JobSubmissionClient  # as in `_in_one_line`

    for name in ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS"):  # Ray would take these for the address that was given
        os.environ.pop(name, None)
    for name in ("dashboard_sdk", "job.sdk"):  # they tell of every upload and connection
        logging.getLogger(f"ray.dashboard.modules.{name}").setLevel(logging.WARNING)
    return JobSubmissionClient(address)


def _hand_over(client: "JobSubmissionClient", study: str, entrypoint: str, archive: Path) -> tuple[str, bool]:
    """The job that runs the study, and whether it did before. Ray takes an id once, so each attempt counts on.

    Another command may take an attempt between the look and the asking; then it is the one to join. A head that has just started says for
    some seconds that it takes no jobs yet.
    """
    asked_at = time.monotonic()
    while True:
        attempts = {_attempt(each.submission_id, study): each.status for each in client.list_jobs() if each.submission_id is not None}
        attempts.pop(0, None)
        running = [attempt for attempt, status in attempts.items() if not status.is_terminal()]
        if running:
            return f"{study}-{max(running)}", True
        job = f"{study}-{max(attempts, default=0) + 1}"
        try:
            client.submit_job(entrypoint=entrypoint, submission_id=job, runtime_env={"working_dir": str(archive)})
        except RuntimeError as error:
            is_starting = "try again later" in str(error) and time.monotonic() - asked_at < _LOST_AFTER_S
            if not (is_starting or "already exists" in str(error)):
                raise
        else:
            return job, False
        time.sleep(_RETRY_S)


def _attempt(job: str, study: str) -> int:
    """Which attempt at a study a job is; 0 if it is none."""
    beginning, _, number = job.rpartition("-")
    return int(number) if beginning == study and number.isdecimal() else 0


def _follow(client: "JobSubmissionClient", job: str, address: str, write: Callable[[str], None]) -> int:
    """Writes what a job prints until it ends; returns its exit code. A broken connection is taken up where it broke."""
    from aiohttp import ClientError  # as in `_in_one_line`

    num_written, started_at, failing_since = 0, None, None
    while True:
        try:
            found: Any = client.get_job_info(job)
            if found.start_time != started_at:  # on a new head, whose first job has the same id
                num_written, started_at = 0, found.start_time
            num_written = asyncio.run(_tail(client, job, num_written, write))
            found = client.get_job_info(job)
            failing_since = None
            if found.status.is_terminal():
                break
        except (OSError, RuntimeError, ClientError) as error:
            failing_since = failing_since or time.monotonic()
            if time.monotonic() - failing_since > _LOST_AFTER_S:
                reason = " ".join(str(error).split())
                raise SubmitError(
                    f"--address {address}: job {job} was lost ({reason}); the same command joins it, or goes on from the store"
                ) from None
        time.sleep(_RETRY_S)
    if found.status == "SUCCEEDED":
        return 0
    write(f"job {job} {found.status}: {found.message}\n")
    return found.driver_exit_code if found.driver_exit_code in (1, 2, 3) else 1


async def _tail(client: "JobSubmissionClient", job: str, num_written: int, write: Callable[[str], None]) -> int:
    """Writes what comes after the first characters; returns how many there are by now, also where the connection breaks."""
    from aiohttp import ClientError  # as in `_in_one_line`

    num_seen = 0
    try:
        async for text in client.tail_job_logs(job):
            write(text[max(num_written - num_seen, 0) :])
            num_seen += len(text)
    except (OSError, RuntimeError, ClientError):
        if num_seen <= num_written:
            raise
    return max(num_seen, num_written)
