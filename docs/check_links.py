"""Fails where a Markdown page of the project links to a file or a heading that is not there."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"(?<!\!)\[[^\]]+\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """The anchors that the headings of a page give."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path) -> list[str]:
    """The links of a page that lead nowhere inside the project; links to other sites are not followed."""
    found = []
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        target, _, anchor = link.partition("#")
        if "://" in link or link.startswith("mailto:"):
            continue
        place = (page.parent / target).resolve() if target else page
        if not place.exists() or (anchor and place.suffix == ".md" and anchor not in anchors(place)):
            found.append(f"{page.relative_to(ROOT)}: {link}")
    return found


if __name__ == "__main__":
    pages = [page for page in ROOT.rglob("*.md") if not any(p.startswith(".") for p in page.relative_to(ROOT).parts)]
    lines = [line for page in sorted(pages) for line in broken(page)]
    sys.exit("\n".join(lines) or None)
