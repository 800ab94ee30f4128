"""Byte streams: what they are, and reading them by lines, lengths and delimiters."""

from conc.io.buffered import BufReader
from conc.io.stream import AsyncRead, AsyncWrite, Stream

__all__ = ["AsyncRead", "AsyncWrite", "BufReader", "Stream"]
