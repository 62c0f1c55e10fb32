"""The learning rate of the pocket world's encoder on its targets, which have a few hundred examples."""

from optuna.distributions import FloatDistribution

SPACE = {"learning_rate": FloatDistribution(3e-4, 1e-3, log=True)}
