"""One end of a TCP connection, as the kernel of its host has it.

As in a real stack: three-way handshake, segments, a window that the reader opens, acknowledgements, retransmission
with growing patience, half-closing, resets. Not as in a real stack: segments are counted and not bytes, every segment
is acknowledged at once, there is no congestion window, and nothing is sent again that did arrive: the network tells
who sent a packet that it is lost, and only then the timer of the retransmission starts. So lost packets cost the time
that they cost in reality, and a calm connection has no timers.
"""

from __future__ import annotations

import errno
from typing import Final, Protocol

from conc import current_time
from conc.lowlevel import Callback, call_at
from conc_testing.net.addresses import Endpoint, system_error
from conc_testing.net.packets import Packet
from conc_testing.net.receiving import Receiver
from conc_testing.net.sending import Segment, Sender
from conc_testing.net.settings import TcpSettings

SYN_SENT: Final = "SYN_SENT"
SYN_RECEIVED: Final = "SYN_RECEIVED"
OPEN: Final = "OPEN"
TIME_WAIT: Final = "TIME_WAIT"
CLOSED: Final = "CLOSED"

LOOPBACK_MSS: Final = 65_483
FIRST_PATIENCE_S: Final = {SYN_SENT: 1.0, SYN_RECEIVED: 1.0, OPEN: 0.2}
LONGEST_PATIENCE_S: Final = 120.0


class Owner(Protocol):
    """Who is told when a connection may have become ready for something: a socket."""

    def edge(self) -> None:
        """Look what it is ready for."""


class Doorkeeper(Protocol):
    """Who waits for connections to an address: a listener."""

    def completed(self, connection: Connection) -> None:
        """The handshake has ended."""

    def dropped(self, connection: Connection) -> None:
        """It never will."""


class Kernel(Protocol):
    """What a connection asks of the stack of its host."""

    settings: TcpSettings

    def transmit(self, packet: Packet) -> None:
        """Send a packet on its way."""

    def forget(self, connection: Connection) -> None:
        """It is over."""

    def linger(self, connection: Connection) -> None:
        """It is over on both sides, and keeps its addresses for a while."""


class Connection:
    """One end of a connection.

    Attributes:
        owner: the socket; None before the program has accepted the connection, and after it has closed it.
        phase: SYN_SENT, SYN_RECEIVED, OPEN, TIME_WAIT or CLOSED.
        failure: the error that the next call tells, once; 0 if there is none.

    Invariant: a retransmission is set exactly while `_timer` is not None, and not for one that is over.
    """

    def __init__(self, kernel: Kernel, local: Endpoint, remote: Endpoint) -> None:
        self.local = local
        self.remote = remote
        self.owner: Owner | None = None
        self.phase = CLOSED
        self.failure = 0
        self._kernel = kernel
        settings = kernel.settings
        is_local = remote.is_loopback or remote.address == local.address
        mss = LOOPBACK_MSS if is_local else settings.mss
        self._sender = Sender(settings.send_buffer, mss, self._transmit)
        self._receiver = Receiver(settings.receive_buffer, mss)
        self._doorkeeper: Doorkeeper | None = None
        self._abandoned = False  # by the program, which has closed it
        self._end_acked = False
        self._is_passive = False  # whether the other side ended first
        self._missed_word = False  # from the other side: what is known of its window may be old
        self._timer: Callback | None = None
        self._attempts = 0

    # ---- what a program asks ----------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """The state as netstat calls it."""
        if self.phase != OPEN:
            return self.phase
        if not self._sender.has_ended:
            return "CLOSE_WAIT" if self._receiver.has_ended else "ESTABLISHED"
        if self._end_acked:
            return "FIN_WAIT_2"
        if not self._receiver.has_ended:
            return "FIN_WAIT_1"
        return "LAST_ACK" if self._is_passive else "CLOSING"

    @property
    def unread(self) -> int:
        """How many bytes have arrived and wait for the program."""
        return len(self._receiver)

    @property
    def unsent(self) -> int:
        """How many bytes the program has written that the other side has not acknowledged."""
        return self._sender.pending

    @property
    def hung_up(self) -> bool:
        """Whether nothing more will come."""
        return self._receiver.has_ended or self.phase in (CLOSED, TIME_WAIT)

    @property
    def readable(self) -> bool:
        """Whether a read has something to say."""
        return bool(self._receiver) or self.hung_up

    @property
    def writable(self) -> bool:
        """Whether a write has."""
        if self.phase in (SYN_SENT, SYN_RECEIVED):
            return False
        return self.phase != OPEN or self._sender.will_end or self._sender.has_room

    def connect(self) -> None:
        """Begin the handshake."""
        self.phase = SYN_SENT
        self._sender.send(syn=True)

    def answer(self, syn: Packet, doorkeeper: Doorkeeper) -> None:
        """Go on with a handshake that the other side has begun."""
        self.phase = SYN_RECEIVED
        self._doorkeeper = doorkeeper
        self._receiver.take(syn)
        self._sender.acknowledged(0, syn.window)
        self._sender.send(syn=True)

    def read(self, max_bytes: int) -> bytes:
        """Take bytes that have arrived; raises what ``recv`` raises."""
        if not self._receiver:
            if not self._receiver.has_ended:
                self._tell_failure()
            if self.hung_up:
                return b""
            raise system_error(errno.EAGAIN)
        data, more = self._receiver.read(max_bytes)
        if more:
            self._edge()  # who got less than he asked for takes that to be all, so the rest has to be told
        if self.phase == OPEN and self._receiver.should_offer_more:
            self._acknowledge()
        return data

    def write(self, data: bytes) -> int:
        """Take bytes to be sent, as many as there is room for; raises what ``send`` raises."""
        self._tell_failure()
        if self.phase in (SYN_SENT, SYN_RECEIVED):
            raise system_error(errno.EAGAIN)
        if self.phase != OPEN or self._sender.will_end:
            raise system_error(errno.EPIPE)
        taken = self._sender.write(data)
        if data and not taken:
            raise system_error(errno.EAGAIN)
        self._pump()
        return taken

    def close_write(self) -> None:
        """Send the end behind what was written; raises what ``shutdown(SHUT_WR)`` raises."""
        if self.phase != OPEN:
            raise system_error(errno.ENOTCONN)
        self._sender.end()
        self._pump()

    def close(self, *, abort: bool = False) -> None:
        """The program is done with it; what was written is still delivered, unless bytes came that nobody read.

        Args:
            abort: reset it in any case (SO_LINGER without time).
        """
        self.owner = None
        self._abandoned = True
        if self.phase == SYN_SENT:
            self._end()
        elif self.phase in (OPEN, SYN_RECEIVED):
            if abort or self._receiver:
                self.abort()
            else:
                self._sender.end()
                self._pump()

    def abort(self) -> None:
        """Reset the connection."""
        if self.phase in (OPEN, SYN_RECEIVED):
            self._kernel.transmit(Packet(self.local, self.remote, rst=True))
        self._end()

    def break_down(self) -> None:
        """Something between the two ends breaks the connection: both are told, and what has arrived is lost."""
        if self.phase == OPEN:
            self._kernel.transmit(Packet(self.local, self.remote, rst=True))
            self._receiver.clear()
            self._fail(errno.ECONNRESET)

    def take_failure(self) -> int:
        """The error that nobody has been told, which is told by that; 0 if there is none."""
        failure, self.failure = self.failure, 0
        return failure

    # ---- what the network tells -------------------------------------------------------------------------------

    def receive(self, packet: Packet) -> None:
        """A packet has arrived."""
        if packet.rst:
            self._was_reset()
            return
        if self.phase == SYN_SENT and (not packet.syn or packet.ack is None):
            # An answer from an older connection with the same addresses: clear that away, and try again. Or two that
            # connect to each other at once, which real systems allow and nobody does.
            self._kernel.transmit(Packet(self.local, self.remote, rst=True))
            self._retry_later()
            return
        if packet.ack is not None:
            self._was_acknowledged(packet.ack, packet.window)
        if packet.number is not None:
            self._take(packet)
        elif packet.probe:
            self._acknowledge()
        self._pump()

    def lost(self, packet: Packet) -> None:
        """A packet that this end has sent will not arrive."""
        self._sender.lost(packet.number)
        self.unanswered()

    def unanswered(self) -> None:
        """No answer will come to what was sent last: do not wait for it any longer than usual."""
        if self.phase in FIRST_PATIENCE_S:
            self._missed_word = True
            if self._sender.wants_answer:
                self._retry_later()

    # ---- sending ----------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Send what may be sent; before the connection is open, nothing."""
        if self.phase == OPEN:
            if not self._sender.has_ended:
                self._is_passive = self._receiver.has_ended
            self._sender.pump()
            if self._missed_word and self._sender.wants_answer:
                self._retry_later()

    def _transmit(self, segment: Segment) -> None:
        packet = self._packet()
        packet.number, packet.data, packet.syn, packet.fin = segment.number, segment.data, segment.syn, segment.fin
        self._kernel.transmit(packet)

    def _acknowledge(self) -> None:
        self._kernel.transmit(self._packet())

    def _packet(self, *, probe: bool = False) -> Packet:
        """A packet that says what this end has, and has room for."""
        ack = None if self.phase == SYN_SENT else self._receiver.expected
        return Packet(self.local, self.remote, probe=probe, ack=ack, window=self._receiver.offer())

    def _was_acknowledged(self, ack: int, window: int) -> None:
        """The other side has all segments before `ack`, and room for `window` bytes more."""
        done = self._sender.acknowledged(ack, window)
        if done or self._sender.all_arrived:
            self._attempts = 0
        if not self._sender.wants_answer:  # else keep it: this may have set out before what got lost
            self._cancel_timer()
        for segment in done:
            if segment.syn:
                self._is_open()
            self._end_acked |= segment.fin
        if self._sender.found_room():
            self._edge()
        self._end_if_both_have()

    def _is_open(self) -> None:
        """The handshake has ended."""
        self.phase = OPEN
        doorkeeper, self._doorkeeper = self._doorkeeper, None
        if doorkeeper is not None:
            doorkeeper.completed(self)
        self._edge()

    # ---- sending again ----------------------------------------------------------------------------------------

    def _retry_later(self) -> None:
        if self._timer is None:
            patience = min(FIRST_PATIENCE_S[self.phase] * 2**self._attempts, LONGEST_PATIENCE_S)
            self._timer = call_at(current_time() + patience, self._retry)

    def _retry(self) -> None:
        """Patience is over: send again what got lost, or something that has to be answered."""
        self._timer = None
        self._missed_word = False
        self._attempts += 1
        settings = self._kernel.settings
        if self._attempts > (settings.retries if self.phase == OPEN else settings.connect_retries):
            self._fail(errno.ETIMEDOUT)
        elif not self._sender.send_again():
            self._kernel.transmit(self._packet(probe=True))

    def _cancel_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    # ---- receiving --------------------------------------------------------------------------------------------

    def _take(self, packet: Packet) -> None:
        """A segment has arrived."""
        news = self._receiver.take(packet)
        if self._abandoned and any(segment.data for segment in news):
            self.abort()  # nobody will ever read it, and who wrote it should know
            return
        self._acknowledge()
        if any(segment.data or segment.fin for segment in news):
            self._edge()
        self._end_if_both_have()

    def _was_reset(self) -> None:
        if self.phase == SYN_SENT:
            self._fail(errno.ECONNREFUSED)
        elif self.phase in (OPEN, SYN_RECEIVED):
            self._fail(errno.EPIPE if self.state == "CLOSE_WAIT" else errno.ECONNRESET)

    # ---- ending -----------------------------------------------------------------------------------------------

    def _fail(self, number: int) -> None:
        """End with an error."""
        self.failure = number
        self._end()
        self._edge()

    def _tell_failure(self) -> None:
        """Raise the error that nobody has been told, if there is one."""
        failure = self.take_failure()
        if failure:
            raise system_error(failure)

    def _end_if_both_have(self) -> None:
        if self.phase == OPEN and self._end_acked and self._receiver.has_ended:
            if self._is_passive:
                self._end()
            else:
                self.phase = TIME_WAIT
                self._cancel_timer()
                self._kernel.linger(self)
            self._edge()

    def _end(self) -> None:
        """It is over, whatever was still to be sent."""
        self.phase = CLOSED
        self._sender.clear()
        self._cancel_timer()
        doorkeeper, self._doorkeeper = self._doorkeeper, None
        if doorkeeper is not None:
            doorkeeper.dropped(self)
        self._kernel.forget(self)

    def _edge(self) -> None:
        if self.owner is not None:
            self.owner.edge()

    def __repr__(self) -> str:
        return f"<Connection {self.local} - {self.remote}, {self.state}>"

    def _check(self) -> None:
        self._sender._check()
        self._receiver._check()
        assert self._timer is None or self.phase in FIRST_PATIENCE_S, "one that is over sends again"
