"""The tests of conc and conc_testing; the folders mirror the packages."""
