"""Lays out the house's own sections of docstrings on the site.

`Args` and `Raises` are known to every docstring reader. *Checkpoint*, *If cancelled*, *Order*, *Cost* and *Source* are
conc's: each becomes a paragraph of its own with its title in bold. *Invariant* is for those who read the code.

A class that is used like a function, as ``mpsc[int](16)``, takes its arguments in `__new__`: the site shows those.
"""

import re
from typing import Any

import griffe

SECTION = re.compile(r"^(?P<indent> *)(?P<title>Checkpoint|If cancelled|Order|Cost|Source): *", re.MULTILINE)
INVARIANT = re.compile(
    r"^(?P<indent> *)Invariant: .*(?:\n(?P=indent) +.*|\n(?P=indent)(?!\w[\w ]*:)\S.*)*\n?", re.MULTILINE
)


class HouseStyle(griffe.Extension):
    """Rewrites each docstring, and looks for the arguments of each class, when it is loaded."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called by griffe for every object it loads."""
        if obj.docstring is not None:
            text = INVARIANT.sub("", obj.docstring.value)
            obj.docstring.value = SECTION.sub(r"\n\g<indent>**\g<title>:** ", text)

    def on_class_members(self, *, cls: griffe.Class, **_: Any) -> None:
        """Called by griffe for every class, with all that is in it: it takes the arguments from `__init__` only."""
        if "__new__" in cls.members and "__init__" not in cls.members:
            cls.set_member("__init__", cls.members["__new__"])
