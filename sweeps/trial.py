"""The body of a Tune trial: one stage, on whichever node Ray placed it."""

from pathlib import Path
from typing import Any

from ray import tune

from trainables.garbage import without_garbage_collection
from trainables.interruption import InterruptedStageError
from trainables.manifest import CurvePoint
from trainables.specs import Job
from trainables.store import LostArtifactError, Store


def run_trial(config: dict[str, Any]) -> None:
    """Runs the job in `config["job"]` in this process, which holds what it needs; reports `point`s and at the end `done` or `error`."""
    with without_garbage_collection():  # what is imported stays: to search it takes a fifth of the time
        from trainables.ray_notices import notices
        from trainables.stage import run_stage  # seconds to import; the driver only names this function

    try:
        job = Job.model_validate_json(config["job"])
        is_interrupted = notices()
        reason = is_interrupted()
        if reason is not None:
            raise InterruptedStageError(reason)
        run_stage(job, Store(job.store, Path(job.cache)), lambda point: tune.report(trial_result(point)), is_interrupted)
    except InterruptedStageError as error:
        tune.report(trial_interruption(error))
        raise  # so that Tune gives this actor no other stage
    except Exception as error:  # as `trial_failure` says
        tune.report(trial_failure(error))
    else:
        tune.report({"done": True})


def trial_result(point: CurvePoint) -> dict[str, Any]:
    """What Tune is told of a dev evaluation."""
    return {"point": point.model_dump_json()}


def trial_interruption(error: InterruptedStageError) -> dict[str, Any]:
    """What Tune is told of a stage that shall go on elsewhere, or another day."""
    return {"interrupted": error.reason}


def trial_failure(error: Exception) -> dict[str, Any]:
    """An exception of the stage, which is a result: the driver records it and skips what depends on it.

    It would happen again, so Tune must not retry it; what Tune itself sees as an error is then always the machine's. Only what was `lost`,
    a stage's key and attempt, can be computed again.
    """
    lost = {"lost": (error.key, error.attempt)} if isinstance(error, LostArtifactError) else {}
    return {"error": f"{type(error).__name__}: {error}", "done": True, **lost}
