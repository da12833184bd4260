"""Lamplighter's engine: how phones, the server and headquarters agree.

Pure by design: nothing in this package reads a file, a socket, a clock or a random source. Time, identifiers, keys and
storage are passed in, so one seed replays a whole world. Start with `README.md` beside this file.
"""
