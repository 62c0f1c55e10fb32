"""What of a study's resources a stage uses."""

from trainables.specs import CodeSwitch, EvaluateSpec, InitSpec, Spec, SynthesizeSpec, TrainSpec


def runs_model(spec: Spec) -> bool:
    """Whether a stage computes with a model: what only reads and writes text has no use for a GPU or a second worker."""
    return not (isinstance(spec, InitSpec) or (isinstance(spec, SynthesizeSpec) and isinstance(spec.by, CodeSwitch)))


def is_spread(spec: Spec) -> bool:
    """Whether all workers of a stage share it; what is not spread runs in one process."""
    return isinstance(spec, TrainSpec | EvaluateSpec | SynthesizeSpec) and runs_model(spec)
