"""The parts of the pytest plugin: fixtures as tasks, runtimes that are held for them, runs of tests, and the search."""
