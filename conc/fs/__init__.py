"""Files and folders, on threads: a write that returned is in the file."""

from conc.fs.atomic import open_atomic, write_atomic
from conc.fs.file import File
from conc.fs.folders import DirEntry, scandir, walk
from conc.fs.opening import open
from conc.fs.path import Path
from conc.fs.temporary import named_temp_file, temp_dir, temp_file
from conc.fs.text import TextFile
from conc.fs.trees import copy_file, copy_tree, move, remove_tree

__all__ = [
    "DirEntry",
    "File",
    "Path",
    "TextFile",
    "copy_file",
    "copy_tree",
    "move",
    "named_temp_file",
    "open",
    "open_atomic",
    "remove_tree",
    "scandir",
    "temp_dir",
    "temp_file",
    "walk",
    "write_atomic",
]
