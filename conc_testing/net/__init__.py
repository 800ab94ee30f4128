"""A network in memory, on virtual time: hosts, links, and TCP, UDP and Unix sockets as a real kernel has them."""
