"""A stage's log has all that it said, on a disk and on an object store, attempt after attempt."""

import logging
import sys
import warnings
from pathlib import Path

import pytest

from trainables.interruption import InterruptedStageError
from trainables.stage_log import failures_logged, has_ended, log_path, stage_log
from trainables.store_files import StoreFiles

KEY = "train-0123456789abcdef"


@pytest.fixture(params=["disk", "object store"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> StoreFiles:
    return StoreFiles(str(tmp_path) if request.param == "disk" else request.getfixturevalue("bucket"))


def text_of(files: StoreFiles) -> str:
    return (files.read(log_path(KEY)) or b"").decode()


def test_what_is_said_logged_warned_and_printed_is_there(files: StoreFiles, capsys: pytest.CaptureFixture[str]) -> None:
    with stage_log(files, KEY) as say:
        say("step 1")
        logging.getLogger("some.library").warning("careful")
        logging.getLogger("some.library").info("not this")
        print("printed")
        print("and this", file=sys.stderr)
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("deprecated", stacklevel=1)
    text = text_of(files)
    for said in ("begins: process ", " step 1\n", " WARNING some.library: careful\n", "printed\n", "and this\n", "deprecated", " done\n"):
        assert said in text, text
    assert "not this" not in text
    print("after")
    assert "after" not in text_of(files)
    assert capsys.readouterr().out == "after\n"


def test_attempts_follow_each_other_and_say_how_they_ended(files: StoreFiles) -> None:
    with pytest.raises(InterruptedStageError), stage_log(files, KEY):
        raise InterruptedStageError("node reclaimed")
    assert has_ended(text_of(files))
    with pytest.raises(KeyError), stage_log(files, KEY):
        raise KeyError("planted")
    with stage_log(files, KEY) as say:
        assert files.is_local is not has_ended(text_of(files)), "an object store has a log when its attempt ends, or after half a minute"
        say("all is well")
    text = text_of(files)
    assert text.count("begins: ") == 3
    assert text.index("interrupted: node reclaimed") < text.index("failed\nTraceback") < text.index("all is well")
    assert "KeyError: 'planted'" in text
    assert has_ended(text)


def test_a_failure_of_one_who_keeps_no_log_is_in_it(files: StoreFiles) -> None:
    with stage_log(files, KEY):
        pass
    with pytest.raises(ValueError, match="on the second"), failures_logged(files, KEY):
        raise ValueError("on the second")
    assert "ValueError: on the second" in text_of(files)
