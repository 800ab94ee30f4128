"""Fuzzing codecs and `BufReader`: ``python -m tests.fuzz.codecs lines -max_total_time=60``, with atheris.

The first word is a target (lines, delimiters, lengths, reader); the others are those of libFuzzer.
"""

from __future__ import annotations

import importlib
import sys
from functools import partial
from types import FunctionType

from conc.codec import DelimiterCodec, LengthDelimitedCodec, LinesCodec
from conc.io import BufReader
from tests.fuzz.codec_targets import TARGETS, check
from tests.fuzz.reader_target import check_reader


def main(arguments: list[str]) -> int:
    """Fuzz one target until it fails or the time is over."""
    checks = {**{name: partial(check, name) for name in TARGETS}, "reader": check_reader}
    if len(arguments) < 2 or arguments[1] not in checks:
        print(f"usage: python -m tests.fuzz.codecs {'|'.join(checks)} [options of libFuzzer]")
        return 2
    try:
        atheris = importlib.import_module("atheris")
    except ImportError:
        print("skipped: atheris is not installed (pip install atheris; it has wheels for some versions of Python only)")
        return 0
    for subject in (LinesCodec, DelimiterCodec, LengthDelimitedCodec, BufReader):  # all of Python would take minutes
        for attribute, value in list(vars(subject).items()):
            if isinstance(value, FunctionType):
                setattr(subject, attribute, atheris.instrument_func(value))
    atheris.Setup([arguments[0], *arguments[2:]], checks[arguments[1]])
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
