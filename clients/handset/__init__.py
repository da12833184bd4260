"""The handset in Python: a crew's phone without a screen, for tests, load, simulation and the command line."""
