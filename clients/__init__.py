"""Clients of the server. They speak its protocol and import nothing of it."""
