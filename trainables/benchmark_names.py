"""What a benchmark's table and measurements are called, for who writes and who reads them."""

TIMES_FILE = "times.parquet"
ARM_NAMES = ("direct", "intermediate")
"""Without and with intermediate training."""
ARCHITECTURE = "architecture"
"""The arm that stands alone."""
ANY_LANGUAGE = "any"
"""Where nothing depends on a language."""
