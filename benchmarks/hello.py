"""The floor of every HTTP figure: uvicorn with the smallest possible application, run exactly as the market runs.

`python -m benchmarks.hello` listens at ISHOP_PORT. It goes through the market's own entry (`ishop.cli.command.command`,
`ishop.up.serve`), so that event loop, HTTP parser and server options are those of the market, whatever they are.
"""

from starlette.types import Receive, Scope, Send

from ishop.cli.command import command
from ishop.settings import get_settings
from ishop.up import asked_to_stop, listen, serve

BODY = b'{"hello":"world"}'
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())],
}
END = {"type": "http.response.body", "body": BODY}


async def hello(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer every request alike."""
    await send(START)
    await send(END)


@command
async def main() -> None:
    """Serve until asked to stop."""
    stop = asked_to_stop()
    settings = get_settings()
    with listen(settings) as door:
        await serve(hello, door, stop, settings, ready=lambda: None)


if __name__ == "__main__":
    main()
