"""What the answer says of sources of examples: a rate where scores grow with examples, and none where they do not."""

import numpy as np

from sweeps.report.answers.averages import Average
from sweeps.report.answers.data_scaling import Size, paragraph
from sweeps.report.statistics import Resampled

SIZES = (16, 64, 256, 1024)


def sizes_of(source: str, worth: float, growth: float) -> list[Size]:
    """Scores on one law of the examples' worth, with a little luck of examples, which all share, and of seeds."""
    random = np.random.default_rng(1)
    luck_R = random.normal(0, 0.004, size=2000)
    found = []
    for number in SIZES:
        measured_S = 0.9 - growth * (number * worth) ** -0.4 + random.normal(0, 0.004, size=5)
        found.append(Size(source, number, Average(Resampled(measured_S, measured_S + luck_R[:, None], 600), ()), None))
    return found


def test_a_rate_is_given_where_the_score_grows():
    text = paragraph("one", "human", {"human": sizes_of("human", 1, 0.8), "made": sizes_of("made", 1 / 4, 0.8)})
    assert "from 16 to 1,024 examples of human the score goes from 63" in text
    assert "by a power law of exponent 0." in text
    rate = text.split("One example of human is worth ")[1].split()[0]
    assert 3 < float(rate) < 5.5


def test_no_rate_is_given_where_it_does_not():
    text = paragraph("one", "human", {"human": sizes_of("human", 1, 0.0), "made": sizes_of("made", 1, 0.0)})
    assert "which is not shown to be a rise (" in text
    assert "With as many examples made scores +0.0 [" in text
    assert "is worth " not in text.replace("what an example is worth", "")


def test_two_sizes_are_too_few():
    text = paragraph("one", "human", {"human": sizes_of("human", 1, 0.8)[:2]})
    assert text == "one: fewer than 3 sizes of human are finished, which is too few for a law."
