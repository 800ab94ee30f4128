from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from conc._os.process import pid

# In a process of its own: a function that was registered stays for the life of the process.
PROGRAM = """
import os
from conc._os.process import after_fork_in_child, pid

told = []
parent = pid()
after_fork_in_child(lambda: told.append(pid()))
child = os.fork()
if child == 0:
    os._exit(0 if told == [pid()] and pid() != parent else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert told == []
"""


def test_the_process_has_a_number() -> None:
    assert pid() == os.getpid()


def test_a_child_is_told_of_the_fork_and_the_parent_is_not() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=Path(__file__).parents[2], check=False)

    assert done.returncode == 0
