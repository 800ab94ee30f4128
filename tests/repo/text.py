"""Rule: what is tracked is finished, and speaks of no one machine."""

import re
import subprocess
from collections.abc import Iterable, Iterator

from tests.repo.sources import ROOT

# Folders that exist on somebody's machine only, and the usual words for later; written so that no line finds itself.
MACHINE_PATH = re.compile(r"(?:^|[^\w.])/(?:work|root|home|farm|Users)/[\w.]")
UNFINISHED = re.compile(r"\b(?:T[O]DO|F[I]XME)\b")


def tracked_files() -> dict[str, str]:
    """Each text file that is tracked, or would be: its path and its text."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    texts: dict[str, str] = {}
    for name in listed.stdout.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file():
            try:
                texts[name] = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue  # a picture or the like
    return texts


def loose_ends(texts: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Lines that name a folder of one machine, or say that they are not finished."""
    for path, text in texts:
        for number, line in enumerate(text.splitlines(), start=1):
            if MACHINE_PATH.search(line):
                yield f"{path}:{number}: names a folder of one machine: {line.strip()}"
            if UNFINISHED.search(line):
                yield f"{path}:{number}: is not finished: {line.strip()}"
