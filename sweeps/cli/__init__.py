"""The command line, `polystilts`. Each module registers the verbs of one concern, in the order in which help lists them."""

# isort: off
import sweeps.cli.begin
import sweeps.cli.study
import sweeps.cli.orders
import sweeps.cli.look
import sweeps.cli.scores
import sweeps.cli.cluster
import sweeps.cli.cache  # noqa: F401

# isort: on
from sweeps.cli.app import app


def main() -> None:
    """The console script."""
    app()
