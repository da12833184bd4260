"""The floor for small requests: an endpoint that reads a body and answers with as many bytes as it is told.

The same HTTP server with the same settings as the product's, in a process of its own, and nothing else.
"""

from __future__ import annotations

import os
import socket

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_FILLER = os.urandom(2**21)


async def echo(request: Request) -> Response:
    await request.body()
    return Response(_FILLER[: int(request.headers["reply-bytes"])], media_type="application/x-ndjson")


def main() -> None:
    """Serve on any free port and print it."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print(listener.getsockname()[1], flush=True)
    app = Starlette(routes=[Route("/echo", echo, methods=["POST"])])
    config = uvicorn.Config(app, http="httptools", loop="uvloop", access_log=False, log_level="warning", server_header=False)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
