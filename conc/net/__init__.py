"""TCP, Unix sockets, TLS and UDP: connecting, listening, serving; datagrams."""

from conc.net.activated import activated_listeners, activated_sockets
from conc.net.binding import bind_udp, connect_udp
from conc.net.connecting import connect_tcp
from conc.net.datagrams import DatagramSocket
from conc.net.listener import Listener
from conc.net.listening import listen_tcp
from conc.net.network import Network, Socket
from conc.net.socket_stream import SocketStream
from conc.net.tcp import TcpListener, TcpStream
from conc.net.tls import connect_tls, wrap_tls
from conc.net.tls_listening import TlsListener, listen_tls
from conc.net.tls_stream import TlsStream
from conc.net.udp import UdpSocket
from conc.net.unix import PeerCredentials, UnixListener, UnixStream, listen_unix
from conc.net.unix_binding import bind_unix_datagram, connect_unix_datagram, unix_datagram_pair
from conc.net.unix_connecting import connect_unix, unix_pair
from conc.net.unix_datagrams import UnixDatagramSocket

__all__ = [
    "DatagramSocket",
    "Listener",
    "Network",
    "PeerCredentials",
    "Socket",
    "SocketStream",
    "TcpListener",
    "TcpStream",
    "TlsListener",
    "TlsStream",
    "UdpSocket",
    "UnixDatagramSocket",
    "UnixListener",
    "UnixStream",
    "activated_listeners",
    "activated_sockets",
    "bind_udp",
    "bind_unix_datagram",
    "connect_tcp",
    "connect_tls",
    "connect_udp",
    "connect_unix",
    "connect_unix_datagram",
    "listen_tcp",
    "listen_tls",
    "listen_unix",
    "unix_datagram_pair",
    "unix_pair",
    "wrap_tls",
]
