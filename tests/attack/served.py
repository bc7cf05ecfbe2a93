"""A market behind a real socket, for what only a server sees: bytes on a connection, clients that are not ours."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from ishop.market import assemble
from ishop.settings import Settings

START_SECONDS: Final = 20


@contextmanager
def served(settings: Settings) -> Iterator[str]:
    """The address of the gateway of a market on this database, served by a thread of its own until the end."""
    with served_application(assemble(settings).gateway) as address:
        yield address


@contextmanager
def served_application(app: ASGIApp) -> Iterator[str]:
    """The same for any application."""
    door = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, lifespan="auto", log_config=None, access_log=False, server_header=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + START_SECONDS
    while not server.started:
        if time.monotonic() > deadline or not thread.is_alive():
            raise RuntimeError("The market did not start.")
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(START_SECONDS)
        door.close()
