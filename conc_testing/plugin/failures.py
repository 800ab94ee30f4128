"""What is kept in ``.conc``: failing runs of earlier times, which are run first, and traces, for people."""

from __future__ import annotations

import json
import re
import warnings
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

FAILURES: Final = Path(".conc", "failures")
TRACES: Final = Path(".conc", "traces")
NAME_LENGTH: Final = 100


@dataclass(frozen=True)
class StoredFailure:
    """A run that failed.

    Attributes:
        test: the node id.
        token: of the run.
        error: what it raised, for people.
        seed: of the session that found it.
    """

    test: str
    token: str
    error: str
    seed: int


class FailureStore:
    """The failures of one project.

    What cannot be read, or written, is no failure of a test: it is left, with a warning where something is lost.

    Args:
        root: the folder of the project.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def load(self, test: str) -> StoredFailure | None:
        """That of a test; None if there is none that can be read."""
        try:
            failure = StoredFailure(**json.loads(self._path(test).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return failure if failure.test == test else None

    def save(self, failure: StoredFailure) -> None:
        """Keep a failure, in place of the one of that test."""
        try:
            path = self._path(failure.test)
            self._make(path.parent)
            draft = path.with_suffix(".new")
            draft.write_text(json.dumps(asdict(failure), indent=2) + "\n", encoding="utf-8")
            draft.replace(path)
        except OSError as error:
            warnings.warn(f"the failure of {failure.test} cannot be stored: {error}", stacklevel=2)

    def remove(self, test: str) -> None:
        """Forget the failure of a test."""
        self._path(test).unlink(missing_ok=True)

    def write_trace(self, test: str, content: str, suffix: str) -> Path:
        """Write what happened in a run of a test. Returns where."""
        path = self._root / TRACES / f"{file_name(test)}.{suffix}"
        self._make(path.parent)
        path.write_text(content, encoding="utf-8")
        return path.relative_to(self._root)

    def _path(self, test: str) -> Path:
        return self._root / FAILURES / f"{file_name(test)}.json"

    def _make(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        ignore = folder.parent / ".gitignore"
        if not ignore.exists():
            ignore.write_text("# made by conc_testing\n*\n", encoding="utf-8")


def file_name(test: str) -> str:
    """A name that a person knows again, that differs for different tests, and that any file system takes."""
    readable = re.sub(r"[^\w.-]+", "-", test)[-NAME_LENGTH:].strip("-.")
    return f"{readable}-{zlib.crc32(test.encode()):08x}"
