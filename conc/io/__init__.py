"""Byte streams: what they are, and reading and writing them with buffers."""

from conc.io.buffered import BufReader
from conc.io.bufstream import BufStream
from conc.io.bufwriter import BufWriter
from conc.io.chaining import Chain, chain
from conc.io.copying import Copy, copy
from conc.io.joining import JoinedStream, join
from conc.io.memory import DuplexStream, SimplexReader, SimplexWriter, duplex, simplex
from conc.io.numbers import ByteOrder, NumberReader, NumberWriter
from conc.io.pipes import PipeReader, PipeWriter, open_pipe
from conc.io.relaying import BidirectionalCopy, copy_bidirectional
from conc.io.sources import Empty, Repeat, Sink, empty, repeat, sink
from conc.io.splitting import ReadHalf, WriteHalf, split, unsplit
from conc.io.stdio import StandardReader, StandardWriter, stderr, stdin, stdout
from conc.io.stream import AsyncBufRead, AsyncClose, AsyncRead, AsyncWrite, Buffer, Stream
from conc.io.taking import Take, take

__all__ = [
    "AsyncBufRead",
    "AsyncClose",
    "AsyncRead",
    "AsyncWrite",
    "BidirectionalCopy",
    "BufReader",
    "BufStream",
    "BufWriter",
    "Buffer",
    "ByteOrder",
    "Chain",
    "Copy",
    "DuplexStream",
    "Empty",
    "JoinedStream",
    "NumberReader",
    "NumberWriter",
    "PipeReader",
    "PipeWriter",
    "ReadHalf",
    "Repeat",
    "SimplexReader",
    "SimplexWriter",
    "Sink",
    "StandardReader",
    "StandardWriter",
    "Stream",
    "Take",
    "WriteHalf",
    "chain",
    "copy",
    "copy_bidirectional",
    "duplex",
    "empty",
    "join",
    "open_pipe",
    "repeat",
    "simplex",
    "sink",
    "split",
    "stderr",
    "stdin",
    "stdout",
    "take",
    "unsplit",
]
