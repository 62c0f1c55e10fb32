"""`python -m sweeps.cli`, which is `polystilts`."""

from sweeps.cli import main

main()
