"""The learning rate together with the batch size, for targets with little data."""

from optuna.distributions import CategoricalDistribution, FloatDistribution

SPACE = {
    "learning_rate": FloatDistribution(5e-6, 5e-5, log=True),
    "batch_size": CategoricalDistribution([16, 32, 64]),
}
