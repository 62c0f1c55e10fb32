"""The learning rate of mT5 with Adam: around the 1e-4 and 3e-4 that transformers' documentation of T5 names."""

from optuna.distributions import FloatDistribution

SPACE = {"learning_rate": FloatDistribution(5e-5, 5e-4, log=True)}
