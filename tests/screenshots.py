"""Makes the pictures of a report in both themes: `python -m tests.screenshots runs/reports/demo/report.html docs`."""

import sys
from pathlib import Path

from tests.browser import chromium

SIZE = {"width": 1280, "height": 1000}


def main(report: Path, folder: Path) -> None:
    """Writes report_light.png, the top of the page, and report_dark.png, a cell opened over the matrix."""
    with chromium() as browser:
        page = browser.new_page(viewport=SIZE)
        page.goto(report.resolve().as_uri())
        page.get_by_label("Theme").select_option("light")
        page.screenshot(path=folder / "report_light.png")
        page.get_by_label("Theme").select_option("dark")
        page.locator("#matrix").evaluate("section => section.scrollIntoView()")
        page.locator(".grid .up a").first.click()
        page.screenshot(path=folder / "report_dark.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
