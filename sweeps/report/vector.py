"""A matplotlib figure as SVG or PDF: the same bytes for the same figure."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Ending = Literal["svg", "pdf"]

_SETTINGS = {"svg.hashsalt": "polystilts", "svg.fonttype": "none", "pdf.fonttype": 42, "text.parse_math": False}
"""Text stays text, so that it can be found and edited; names are no formulas."""


def saved(draw: Callable[[], "Figure"], title: str, ending: Ending) -> bytes:
    """What `draw` draws, without a date."""
    # matplotlib takes over a second to import, which only the one who draws should pay.
    import matplotlib

    with matplotlib.rc_context(_SETTINGS):
        out = io.BytesIO()
        date = "Date" if ending == "svg" else "CreationDate"
        draw().savefig(out, format=ending, metadata={date: None, "Title": title})
    return out.getvalue()
