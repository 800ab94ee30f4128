"""Frames over byte streams and datagrams: a codec says where one ends and what it means."""

from conc.codec.bytes_codec import BytesCodec
from conc.codec.datagrams import DatagramEndpoint, FramedDatagrams
from conc.codec.delimiters import DelimiterCodec
from conc.codec.framed import Framed
from conc.codec.length_delimited import LengthDelimitedCodec
from conc.codec.lines import LinesCodec
from conc.codec.protocols import NEED_MORE, Codec, Decoder, Encoder, NeedMore
from conc.codec.reading import FramedRead
from conc.codec.writing import FramedWrite

__all__ = [
    "NEED_MORE",
    "BytesCodec",
    "Codec",
    "DatagramEndpoint",
    "Decoder",
    "DelimiterCodec",
    "Encoder",
    "Framed",
    "FramedDatagrams",
    "FramedRead",
    "FramedWrite",
    "LengthDelimitedCodec",
    "LinesCodec",
    "NeedMore",
]
