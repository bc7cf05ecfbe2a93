"""`python -m ishop.health`: exit 0 while the process of this container is ready, for its health check.

Asked every few seconds in every container, it imports next to nothing: `ishop` itself takes a second to start.
"""

import os
import socket
import sys

TIMEOUT_SECONDS = 4


def is_ready(port: int) -> bool:
    """Whether what listens at `port` of this machine says that it is ready."""
    try:
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as connection:
            connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            with connection.makefile("rb") as answer:
                return answer.readline(64).startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(not is_ready(int(os.environ.get("ISHOP_PORT", "8000"))))
