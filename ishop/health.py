"""`python -m ishop.health`: exit 0 while the process of this container is ready, for its health check.

Asked every few seconds in every container, it imports next to nothing: `ishop` itself takes a second to start.
"""

import os
import socket
import ssl
import sys

TIMEOUT_SECONDS = 4


def is_ready(port: int) -> bool:
    """Whether what listens at `port` of this machine says that it is ready."""
    try:
        with _connect(port) as connection:
            connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            with connection.makefile("rb") as answer:
                return answer.readline(64).startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS)
    if not os.environ.get("ISHOP_TLS_CERTIFICATE"):
        return connection
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # It is this process's own, by another name.
    return context.wrap_socket(connection)


if __name__ == "__main__":
    sys.exit(not is_ready(int(os.environ.get("ISHOP_PORT", "8000"))))
