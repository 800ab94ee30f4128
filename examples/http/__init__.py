"""HTTP/1.1 on h11, which knows the protocol and does no I/O: a server and a client."""
