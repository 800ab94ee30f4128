"""TCP: connecting, listening, serving."""

from conc.net.connecting import connect_tcp
from conc.net.listening import listen_tcp
from conc.net.network import Network, Socket
from conc.net.tcp import TcpListener, TcpStream

__all__ = ["Network", "Socket", "TcpListener", "TcpStream", "connect_tcp", "listen_tcp"]
