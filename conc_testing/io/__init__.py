"""Part of conc_testing."""
