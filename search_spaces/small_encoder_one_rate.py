"""One learning rate for an encoder of a few million parameters: where sources of data are compared, and none is to be tuned better."""

from optuna.distributions import CategoricalDistribution

SPACE = {"learning_rate": CategoricalDistribution([7e-4])}
