"""Fuzzing the codecs: ``python -m tests.fuzz.codecs lines -max_total_time=60``, with atheris.

The first word is a target (lines, delimiters, lengths); the others are those of libFuzzer.
"""

from __future__ import annotations

import importlib
import sys
from types import FunctionType

from conc.codec import DelimiterCodec, LengthDelimitedCodec, LinesCodec
from tests.fuzz.codec_targets import TARGETS, check


def main(arguments: list[str]) -> int:
    """Fuzz one target until it fails or the time is over."""
    if len(arguments) < 2 or arguments[1] not in TARGETS:
        print(f"usage: python -m tests.fuzz.codecs {'|'.join(TARGETS)} [options of libFuzzer]")
        return 2
    try:
        atheris = importlib.import_module("atheris")
    except ImportError:
        print("skipped: atheris is not installed (pip install atheris; it has wheels for some versions of Python only)")
        return 0
    name = arguments[1]
    for codec in (LinesCodec, DelimiterCodec, LengthDelimitedCodec):  # not all of Python, which takes minutes
        for attribute, value in list(vars(codec).items()):
            if isinstance(value, FunctionType):
                setattr(codec, attribute, atheris.instrument_func(value))
    atheris.Setup([arguments[0], *arguments[2:]], lambda data: check(name, data))
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
