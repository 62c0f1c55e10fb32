"""Makes the answer that a study asks for."""

from sweeps.analysis import DataScaling, Layers, ModelScale
from sweeps.report.answers import Answer, Evidence, data_scaling, latency, layers, model_scale, transfer


def make_answer(evidence: Evidence) -> Answer:
    """The answer to what the study asks, with its tables and those of the matrix."""
    matrix = transfer.answer(evidence)
    match evidence.result.analysis:
        case None if not evidence.timed:
            return matrix
        case None:
            found = latency.answer(evidence)
        case Layers():
            found = layers.answer(evidence)
        case DataScaling() as asked:
            found = data_scaling.answer(evidence, asked.human, asked.synthetic)
        case ModelScale():
            found = model_scale.answer(evidence)
    return found._replace(others=matrix.others)
