"""Programs of the documentation and the examples, and how to run one as a user would: alone, in a fresh process."""

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.repo.sources import ROOT

SECONDS_AT_MOST = 30.0

FENCE = re.compile(r"^(?P<indent> *)```(?P<info>.*)$")
ENDS_WITH = re.compile(r"<!-- exits (?P<code>\d+): (?P<text>.+) -->")


@dataclass(frozen=True)
class Block:
    """A fenced block: where it starts, the words after its fence, its text, and the last line of prose before it."""

    place: str
    info: str
    text: str
    line_before: str


@dataclass(frozen=True)
class Program:
    """A complete program, and what it must do: what it prints where that is shown, its exit code, a text among its
    errors."""

    place: str
    text: str
    prints: str | None = None
    exit_code: int = 0
    error_text: str = ""


def blocks(path: str, markdown: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order; also those that are indented, as in a list."""
    lines = iter(enumerate(markdown.splitlines(), start=1))
    line_before = ""
    for number, line in lines:
        opening = FENCE.match(line)
        if not opening:
            line_before = line.strip() or line_before
            continue
        body: list[str] = []
        for _, inner in lines:
            if inner.strip() == "```":
                break
            body.append(inner)
        else:
            raise ValueError(f"{path}:{number}: this block has no end")
        yield Block(f"{path}:{number}", opening["info"].strip(), textwrap.dedent("\n".join(body)) + "\n", line_before)
        line_before = ""


def programs(path: str, markdown: str) -> list[Program]:
    """The Python blocks of a page. A text block titled "prints" right after one shows its whole output; the comment
    `<!-- exits 1: ValueError -->` right before one tells its exit code and a text that its errors contain."""
    found: list[Program] = []
    for block in blocks(path, markdown):
        if block.info.split(" ")[0] == "python":
            ending = ENDS_WITH.fullmatch(block.line_before)
            code, error_text = (int(ending["code"]), ending["text"]) if ending else (0, "")
            found.append(Program(block.place, block.text, None, code, error_text))
        elif block.info == 'text title="prints"':
            program = found.pop()
            found.append(Program(program.place, program.text, block.text, program.exit_code, program.error_text))
    return found


def complaints(program: Program, folder: Path) -> list[str]:
    """Run a program in an empty folder, warnings as errors, and say what differs from what it must do."""
    file = folder / "program.py"
    file.write_text(program.text, encoding="utf-8")
    try:
        ended = subprocess.run(
            [sys.executable, "-W", "error", file.name],
            cwd=folder,
            env={"PATH": os.defpath, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=SECONDS_AT_MOST,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [f"{program.place} did not end within {SECONDS_AT_MOST:.0f} s"]
    differences: list[str] = []
    if ended.returncode != program.exit_code:
        differences.append(f"{program.place} exits {ended.returncode}, not {program.exit_code}:\n{ended.stderr}")
    elif program.error_text not in ended.stderr or (ended.stderr and not program.error_text):
        differences.append(f"{program.place} writes other errors than {program.error_text!r}:\n{ended.stderr}")
    if program.prints is not None and ended.stdout != program.prints:
        differences.append(f"{program.place} prints\n{ended.stdout}and not\n{program.prints}")
    return differences
