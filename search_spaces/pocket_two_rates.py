"""Two learning rates of the pocket world's encoder, for a grid."""

from optuna.distributions import CategoricalDistribution

SPACE = {"learning_rate": CategoricalDistribution([4e-4, 8e-4])}
