"""The C programs beside the Python ones: built on the spot, kept in a folder that git does not see."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

SOURCES = Path(__file__).parent
CACHE = SOURCES.parent / ".cache"


class NoCompiler(RuntimeError):
    """There is no C compiler here, or it could not build the program."""


def compiler() -> str:
    """The C compiler: `$CC`, else `cc`. Raises: NoCompiler."""
    wanted = os.environ.get("CC") or "cc"
    found = shutil.which(wanted)
    if found is None:
        raise NoCompiler(f"no C compiler: {wanted!r} is not on the path (set CC to name another)")
    return found


def build(program: str) -> Path:
    """Compile `program`.c unless it has been, and return where the executable lies.

    Raises: NoCompiler, with what the compiler said.
    """
    source = SOURCES / f"{program}.c"
    with_flags = [compiler(), "-O2", "-std=gnu11", "-Wall", "-Wextra"]
    fingerprint = hashlib.sha256(source.read_bytes() + " ".join(with_flags).encode()).hexdigest()[:16]
    executable = cache_folder("native") / f"{program}-{fingerprint}"
    if not executable.exists():
        # Built beside its place, then moved there: a process that looks meanwhile finds all of it or nothing.
        unfinished = executable.with_suffix(f".{os.getpid()}")
        command = [*with_flags, "-o", str(unfinished), str(source)]
        built = subprocess.run(command, capture_output=True, text=True, check=False)
        if built.returncode != 0:
            raise NoCompiler(f"{program}.c does not compile here: {built.stderr.strip() or built.stdout.strip()}")
        unfinished.replace(executable)
    return executable


def cache_folder(name: str) -> Path:
    """A folder for what a run leaves behind, ignored by git. It is made where it is missing."""
    folder = CACHE / name
    folder.mkdir(parents=True, exist_ok=True)
    ignore = CACHE / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")
    return folder
