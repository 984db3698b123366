"""Every relative link in a document leads to a file, and its ``#part`` to a heading there.

Prints one line a broken link and exits with 1 if there is any. Links into the web are not followed.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from scripts.sources import ROOT, files

_FENCE = re.compile(r"^(```|~~~).*?^\1[^\n]*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)


def anchors(text: str) -> set[str]:
    """The anchors that a document's headings have on GitHub."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        unique, number = slug, 1
        while unique in found:
            unique, number = f"{slug}-{number}", number + 1
        found.add(unique)
    return found


def broken(root: Path) -> Iterator[str]:
    """A line for each link that leads nowhere."""
    for path in files(root, ".md"):
        text = path.read_text(encoding="utf-8")
        for link in _LINK.findall(_CODE.sub("", _FENCE.sub("", text))):
            if re.match(r"[a-z][a-z0-9+.-]*:", link):
                continue
            name, _, anchor = unquote(link).partition("#")
            target = (path.parent / name).resolve() if name else path
            shown = path.relative_to(root)
            if not target.exists():
                yield f"{shown}: {link}: there is no such file"
            elif anchor and anchor not in anchors(target.read_text(encoding="utf-8")):
                yield f"{shown}: {link}: there is no such heading"


def main() -> int:
    """Check every document; the exit status."""
    found = list(broken(ROOT))
    print("\n".join([*found, f"Links: {len(found) or 'none'} broken"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
