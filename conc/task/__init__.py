"""Several things at the same time: all of them, the first of them, or each as it ends."""

from conc.task.fallbacks import first_ok
from conc.task.join_set import JoinSet, open_join_set
from conc.task.joins import join
from conc.task.map import Map, open_map
from conc.task.races import race
from conc.task.selects import select

__all__ = [
    "JoinSet",
    "Map",
    "first_ok",
    "join",
    "open_join_set",
    "open_map",
    "race",
    "select",
]
