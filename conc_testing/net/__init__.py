"""A network in memory: hosts, links between them, and TCP as a real stack has it, on virtual time."""
