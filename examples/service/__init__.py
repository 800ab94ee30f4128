"""The parts of `examples/demo.py`: a service on TCP, the load for it, and the picture of how it went."""
