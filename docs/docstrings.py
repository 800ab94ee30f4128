"""Lays out the house's own sections of docstrings on the site.

`Args` and `Raises` are known to every docstring reader. *Checkpoint*, *If cancelled*, *Order*, *Cost* and *Source* are
conc's: each becomes a paragraph of its own with its title in bold. *Invariant* is for those who read the code.
"""

import re
from typing import Any

import griffe

SECTION = re.compile(r"^(?P<indent> *)(?P<title>Checkpoint|If cancelled|Order|Cost|Source): *", re.MULTILINE)
INVARIANT = re.compile(
    r"^(?P<indent> *)Invariant: .*(?:\n(?P=indent) +.*|\n(?P=indent)(?!\w[\w ]*:)\S.*)*\n?", re.MULTILINE
)


class HouseStyle(griffe.Extension):
    """Rewrites each docstring when it is loaded."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called by griffe for every object it loads."""
        if obj.docstring is not None:
            text = INVARIANT.sub("", obj.docstring.value)
            obj.docstring.value = SECTION.sub(r"\n\g<indent>**\g<title>:** ", text)
