"""TLS without a stream: plaintext on one side, ciphertext on the other, and nothing here waits."""

from __future__ import annotations

import ssl
from typing import Final

from conc._os.sync import Lock
from conc.io.stream import Buffer

RECORD: Final = 16_384  # the most plaintext that a record holds


class TlsMachine:
    """An SSL object between two buffers in memory: what has come and is not decrypted, and what is to be sent.

    Everything that touches them takes `lock`: the halves of a stream may be in different strands, and before Python
    3.13 an SSL object does not guard itself.

    Attributes:
        ssl: the SSL object.
        outgoing: ciphertext that is to be sent, in order.
        lock: of all this.
        sealed: how many bytes of plaintext were encrypted.
        rest: what the last `seal` could not encrypt, because the SSL object has to read first (a renegotiation).
        ended: whether the other side has said that nothing more comes.
        has_more: whether there may be something to take. Look with the lock.
        failure: the error after which nothing more can be decrypted.

    Invariant: unless `has_more`, `take` would find nothing, whatever it asked for; as long as nobody has the lock.
    Invariant: `_ahead` is plaintext that comes before what the SSL object has.
    """

    __slots__ = (
        "_ahead",
        "_incoming",
        "_may_shake_again",
        "_read",
        "_write",
        "ended",
        "failure",
        "has_more",
        "lock",
        "outgoing",
        "rest",
        "sealed",
        "ssl",
    )

    def __init__(
        self,
        context: ssl.SSLContext,
        server_side: bool,
        server_hostname: str | None = None,
        session: ssl.SSLSession | None = None,
    ) -> None:
        self._incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.ssl = context.wrap_bio(
            self._incoming, self.outgoing, server_side=server_side, server_hostname=server_hostname, session=session
        )
        self.lock = Lock()
        self._read = self.ssl.read
        self._write = self.ssl.write
        self._ahead = b""
        self.has_more = False
        self._may_shake_again = True  # a renegotiation, or a certificate that is wanted later
        self.sealed = 0
        self.rest: Buffer = b""
        self.ended = False
        self.failure: ssl.SSLError | None = None

    def feed(self, ciphertext: bytes) -> None:
        """This has come."""
        with self.lock:
            self._incoming.write(ciphertext)
            self.has_more = True

    def drain(self) -> bytes:
        """What is to be sent. It must be, before anything that a later call returns."""
        with self.lock:
            return self.outgoing.read()

    def shake_hands(self) -> bool:
        """Go on with the handshake. Whether it is done; else the other side is to say something.

        Raises:
            ssl.SSLError: it failed. What is to be sent tells the other side.
        """
        with self.lock:
            try:
                self.ssl.do_handshake()
            except ssl.SSLWantReadError:
                return False
            self._may_shake_again = self.ssl.version() != "TLSv1.3" or self.ssl.context.post_handshake_auth
            return True

    # ---- for who reads --------------------------------------------------------------------------------------------

    def take(self, max_bytes: int, ciphertext: bytes = b"") -> bytes | None:
        """Decrypt what has come, and `ciphertext` behind it: at least one byte and at most `max_bytes`, or ``b""`` at
        the end. None: there is nothing, and if there is a `failure`, nothing more to come."""
        with self.lock:  # first of all: who writes may be reading ahead, in another strand
            if ciphertext:
                self._incoming.write(ciphertext)
                self.has_more = True
            elif not self.has_more:
                return b"" if self.ended else None
            if self._ahead:
                data, self._ahead = self._ahead[:max_bytes], self._ahead[max_bytes:]
                return data
            data = self._take_one(max_bytes)
            if not self.has_more or len(data) == max_bytes:
                return data or (b"" if self.ended else None)
            parts = [data]
            max_bytes -= len(data)
            while max_bytes and self.has_more:
                data = self._take_one(max_bytes)
                parts.append(data)
                max_bytes -= len(data)
            return b"".join(parts)

    def _take_one(self, max_bytes: int) -> bytes:
        """What one record holds; ``b""`` if there is none, and no more then. With the lock."""
        asked = min(max_bytes, RECORD)
        try:
            data = self._read(asked)
        except ssl.SSLError as error:
            self._stop_reading(error)
            return b""
        if not data:
            self.has_more = False
            self.ended = True
        elif not self._incoming.pending and (len(data) < asked or not self.ssl.pending()):
            self.has_more = False  # without asking, which would cost an exception
        return data

    def _stop_reading(self, error: ssl.SSLError) -> None:
        """There was nothing to be read."""
        self.has_more = False
        if isinstance(error, ssl.SSLZeroReturnError):  # the end, if both sides have said so
            self.ended = True
        elif not isinstance(error, ssl.SSLWantReadError):
            self.failure = error

    def fill(self, view: memoryview) -> int | None:
        """As `take`, into a buffer."""
        with self.lock:
            if not self.has_more:
                return 0 if self.ended else None
            if self._ahead:
                got = min(len(view), len(self._ahead))
                view[:got] = self._ahead[:got]
                self._ahead = self._ahead[got:]
                return got
            got = 0
            while got < len(view) and self.has_more:
                got += self._fill_one(view[got:])
            return got or (0 if self.ended else None)

    def _fill_one(self, view: memoryview) -> int:
        """As `_take_one`, into a buffer."""
        try:
            got: int = self._read(len(view), view)  # type: ignore[assignment]
        except ssl.SSLError as error:
            self._stop_reading(error)
            return 0
        if not got:
            self.has_more = False
            self.ended = True
        elif not self._incoming.pending and not self.ssl.pending():
            self.has_more = False
        return got

    @property
    def ahead(self) -> int:
        """How many bytes were decrypted before anybody asked for them."""
        return len(self._ahead)

    def read_ahead(self) -> None:
        """Decrypt all that has come, and keep it."""
        with self.lock:
            self._read_ahead()

    def _read_ahead(self) -> None:
        parts = [self._ahead]
        while self.has_more:
            parts.append(self._take_one(RECORD))
        self._ahead = b"".join(parts)
        self.has_more = bool(self._ahead)

    def put_back(self, data: bytes) -> None:
        """This was taken, and shall be taken again."""
        with self.lock:
            self._ahead = data + self._ahead
            self.has_more = True

    def leftover(self) -> bytes:
        """What has come behind the end."""
        with self.lock:
            return self._incoming.read()

    # ---- for who writes -------------------------------------------------------------------------------------------

    def seal(self, data: Buffer) -> bytes:
        """Encrypt, all of it unless there is a `rest`; returns what is to be sent, which may be more than that.

        Args:
            data: bytes; what is longer than a record as a view of bytes.

        Raises:
            ssl.SSLError: nothing can be encrypted any more.
        """
        done, size = 0, len(data)
        with self.lock:
            # In the middle of a handshake writing reads, too, and breaks if it finds plaintext: let it find nothing.
            if self._may_shake_again and self.has_more:
                self._read_ahead()
            try:
                while done < size:
                    done += self._write(data[done:] if done else data)  # a record at a time
            except ssl.SSLWantReadError:
                self.rest = data[done:]
            finally:
                self.sealed += done
            return self.outgoing.read()

    def farewell(self) -> None:
        """Say that nothing more will be encrypted: close_notify is to be sent. Decrypting goes on."""
        self.read_ahead()
        with self.lock:
            # SSL_shutdown looks for the answer too, and breaks if it finds plaintext in its place: let it find nothing.
            behind = self._incoming.read()
            try:
                self.ssl.unwrap()
            except ssl.SSLError:
                pass  # usually SSLWantReadError: there is no answer; else it is broken, and has said so
            if behind:
                self._incoming.write(behind)
