"""Locks by name, over TCP: a small service with a mistake in it, and the search that finds the mistake."""
