"""A directory indexer: finds files with the same content, with a pool of threads that read and hash.

`python -m examples.indexer FOLDER` prints them. Without an argument it looks at a folder that it makes.

Prints:

    3 files, 2 contents
    first.txt = third.txt
"""

import hashlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import conc
from conc import fs

AT_A_TIME = 8
BLOCK_BYTES = 1024 * 1024


class Entry(NamedTuple):
    """A file, and a fingerprint of what is in it."""

    path: fs.Path
    digest: str


def fingerprint(path: Path) -> str:
    """Read a file, and hash it: in a thread, where it may take its time. It gives up when the task is cancelled."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            conc.from_thread.check_cancelled()
            digest.update(block)
    return digest.hexdigest()


async def files_under(folder: fs.Path) -> AsyncIterator[fs.Path]:
    """All ordinary files, in order."""
    async for top, folders, names in fs.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = fs.Path(top) / name
            if await path.is_file() and not await path.is_symlink():
                yield path


async def index(folder: fs.Path) -> AsyncIterator[Entry]:
    """An entry for each file that can be read, in order; never more than 8 are read at a time."""

    async def look(path: fs.Path) -> Entry | None:
        try:
            return Entry(path, await conc.to_thread(fingerprint, Path(path)))
        except OSError as error:
            print(f"left out: {error}", file=sys.stderr)
            return None

    async with conc.open_map(look, files_under(folder), limit=AT_A_TIME) as entries:
        async for entry in entries:
            if entry is not None:
                yield entry


async def main(folder: fs.Path) -> None:
    """Print which files are the same."""
    same: dict[str, list[fs.Path]] = {}
    async for entry in index(folder):
        same.setdefault(entry.digest, []).append(entry.path)
    print(f"{sum(map(len, same.values()))} files, {len(same)} contents")
    for paths in same.values():
        if len(paths) > 1:
            print(" = ".join(str(path.relative_to(folder)) for path in paths))


async def try_it() -> None:
    """Make a folder with three files, two of them the same."""
    async with fs.temp_dir() as name:
        folder = fs.Path(name)
        for file, text in (("first", "alpha"), ("second", "beta"), ("third", "alpha")):
            await (folder / f"{file}.txt").write_text(text)
        await main(folder)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        conc.run(main, fs.Path(sys.argv[1]))
    else:
        conc.run(try_it)
