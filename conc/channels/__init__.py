"""Channels: objects are sent at one end and received at the other, by tasks, strands and threads."""

from conc.channels.board import WatchStatistics
from conc.channels.broadcasts import BroadcastReceiver, BroadcastSender, broadcast
from conc.channels.conduit import ChannelStatistics
from conc.channels.oneshots import OneshotReceiver, OneshotSender, OneshotStatistics, oneshot
from conc.channels.permit import Permit
from conc.channels.protocols import ReceiveChannel, SendChannel
from conc.channels.queues import mpmc, mpsc, mpsc_unbounded
from conc.channels.receiver import Receiver
from conc.channels.ring import BroadcastStatistics
from conc.channels.sender import Sender, WeakSender
from conc.channels.watches import WatchReceiver, WatchSender, watch

__all__ = [
    "BroadcastReceiver",
    "BroadcastSender",
    "BroadcastStatistics",
    "ChannelStatistics",
    "OneshotReceiver",
    "OneshotSender",
    "OneshotStatistics",
    "Permit",
    "ReceiveChannel",
    "Receiver",
    "SendChannel",
    "Sender",
    "WatchReceiver",
    "WatchSender",
    "WatchStatistics",
    "WeakSender",
    "broadcast",
    "mpmc",
    "mpsc",
    "mpsc_unbounded",
    "oneshot",
    "watch",
]
