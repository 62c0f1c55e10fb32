"""The learning rate of a pretrained encoder: the range in which the published recipes for XLM-R and multilingual BERT lie."""

from optuna.distributions import FloatDistribution

SPACE = {"learning_rate": FloatDistribution(5e-6, 5e-5, log=True)}
