"""Lamplighter's server: it knows the world (HTTP, files, databases, keys) and decides nothing about merging.

What becomes of a fact is decided in `sync`; this package carries bytes to it and stores what it says.
"""
