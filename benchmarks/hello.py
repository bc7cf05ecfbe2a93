"""The floor of every HTTP figure: bare uvicorn with the smallest possible application, and nothing of ours.

`python -m benchmarks.hello` listens at ISHOP_PORT, on the same event loop and HTTP parser as the market. What the
market's server adds to uvicorn (an end to slow clients, answers in one piece) is part of what is measured.
"""

import os
from typing import Final

import uvicorn
from starlette.types import Receive, Scope, Send

BODY: Final = b'{"hello":"world"}'
START: Final = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())],
}
END: Final = {"type": "http.response.body", "body": BODY}


async def hello(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer every request alike."""
    await send(START)
    await send(END)


if __name__ == "__main__":
    uvicorn.run(
        hello,
        port=int(os.environ["ISHOP_PORT"]),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
    )
