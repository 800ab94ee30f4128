"""Mock streams: scripted peers, connections in memory, recordings, and what a stream has to keep."""
