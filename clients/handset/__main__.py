"""`python -m clients.handset …`: the handset without a server beside it."""

from __future__ import annotations

from clients.handset.cli import main

if __name__ == "__main__":
    main()
