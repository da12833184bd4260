"""The zoo borrows the handset tests' scene: one real server for all animals but those that stop or restore theirs."""

from __future__ import annotations

from tests.handset.conftest import field, own_field, road, server

__all__ = ["field", "own_field", "road", "server"]
