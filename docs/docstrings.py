"""Lays out the house's own sections of docstrings on the site.

`Args` and `Raises` are known to every docstring reader. *Checkpoint*, *If cancelled*, *Order*, *Cost*, *Source* and
*Invariant* are conc's; each becomes a paragraph of its own with its title in bold.
"""

import re
from typing import Any

import griffe

TITLE = re.compile(r"^(?P<indent> *)(?P<title>Checkpoint|If cancelled|Order|Cost|Source|Invariant): *", re.MULTILINE)


class HouseStyle(griffe.Extension):
    """Rewrites each docstring when it is loaded."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called by griffe for every object it loads."""
        if obj.docstring is not None:
            obj.docstring.value = TITLE.sub(r"\n\g<indent>**\g<title>:** ", obj.docstring.value)
