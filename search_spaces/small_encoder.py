"""The learning rate of an encoder of a few million parameters, which takes rates some fifty times those of XLM-R Large."""

from optuna.distributions import FloatDistribution

SPACE = {"learning_rate": FloatDistribution(2e-4, 2e-3, log=True)}
