"""Logs: one JSON object a line on stderr (readable text on a terminal), with persons and secrets masked.

Every line has `timestamp` (UTC), `level`, `event`, `service`, `logger` and, while a request is served, `request_id`.
Lines of the standard library (uvicorn, asyncpg, PgQueuer) come out in the same shape.
"""

import asyncio
import functools
import logging
import re
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson
import structlog
from structlog.typing import EventDict, Processor

from ishop.context import request_id
from ishop.settings import Settings

MASK: Final = "***"
LONG_NUMBER: Final = 10**14
"""From here on a number may be a NIK or an NPWP; nothing that we count gets there."""

SECRET_NAME: Final = re.compile(
    r"(?:^|[_\-.])(?:passwords?|secrets?|tokens?|authorization|cookies?|signing_key|api_key|master_key|dsn"
    r"|nik|npwp|phones?|e?mails?|address(?:es)?|bank_account|account_number|ship_to)(?:$|[_\-.])",
    re.IGNORECASE,
)
"""Names of fields whose value never shows, whatever it is."""

ERROR_LENGTH: Final = 300

ID: Final = r"\b(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32})\b"
"""An id of a row or a request, which says nothing about anybody."""

# Ordered: what is kept goes first, then a bearer token before what else may look like a part of it.
SECRET_TEXT: Final = re.compile(
    rf"(?P<kept>{ID})"
    r"|(?P<bearer>\bbearer\s+[\w.~+/=-]+)"
    r"|(?P<jwt>\beyJ[\w-]+\.[\w-]+\.[\w-]*)"
    r"|(?P<key>(?<=ishop_)[a-z2-7]{12}_[\w-]{20,})"
    r"|(?P<login>(?<=://)[^\s/@]+@)"
    r"|(?P<email>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)"
    r"|(?P<number>(?<!\d)\+?\d(?:[ .-]?\d){8,}(?!\d))",
    re.IGNORECASE,
)
"""What gives a person or a secret away in a text: tokens, keys, passwords in addresses, e-mail, and numbers of nine
digits and more, however they are parted: NIK, NPWP, telephone, bank account."""

SUSPECT: Final = re.compile(r"\d(?:[ .-]?\d){8}|eyJ|ishop_|[Bb][Ee][Aa][Rr][Ee][Rr]")
"""Every text that SECRET_TEXT finds something in has this or an @: ten times faster to rule out."""

VALUE: Final = re.compile(
    rf"(?P<kept>['\"]?{ID}['\"]?|'[a-z_][a-z0-9_.]{{0,62}}'|\"[a-z_][a-z0-9_.]{{0,62}}\")"
    r"|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
    r"|(?<=\w)\?[^\s'\"]+"  # the query of a URL
    r"|[A-Za-z0-9_+/=-]{32,}"  # a token or key
)
"""What in an error's text may be a value: what is quoted and is no name of ours, and what looks like a key."""

FOREIGN: Final = frozenset({"_record", "_from_structlog"})
"""What structlog keeps in a line of the standard library until it is rendered."""

GATHERED_SECONDS: Final = 0.01
"""How long the line of a request waits for those of others, to be written along with them."""

QUIET: Final = ("httpx", "httpcore", "asyncio", "alembic", "uvicorn")
"""Libraries that report every step as information; ours says the same with more sense."""


class StderrLine:
    """Writes finished lines to whatever stderr is at that moment; `name` is the module that speaks."""

    __slots__ = ("name",)

    def __init__(self, name: str = "") -> None:
        self.name = name

    def msg(self, line: bytes) -> None:
        """Write one line at once, so that lines of several threads do not mix."""
        stream = sys.stderr.buffer
        stream.write(line + b"\n")
        stream.flush()

    log = debug = info = warning = error = critical = exception = fatal = msg


class AccessLog:
    """Writes the line that every request leaves, in the shape of all others, at a fraction of what a logger costs.

    Measured over HTTP: a logger's line takes 20-40 us of a request's 150, this one 3. Lines wait GATHERED_SECONDS for
    others, because each write is a call of the system, so a process that is killed loses that many. It masks nothing:
    it takes only what is known to be harmless: templates, numbers and ids, nothing that a caller wrote.
    """

    def __init__(self, settings: Settings, name: str, service: str) -> None:
        self._enabled = _level(settings) <= logging.INFO
        self._line = StderrLine(name)
        self._begin = (
            orjson.dumps({"event": "request", "level": "info", "service": service, "logger": name})[:-1] + b","
        )
        self._waiting: list[bytes] = []
        self._readable = structlog.get_logger(name) if sys.stderr.isatty() else None

    def write(self, **fields: str | float | None) -> None:
        """One line about the request being served."""
        if not self._enabled:
            return
        if self._readable is not None:
            self._readable.info("request", **fields)
            return
        own = orjson.dumps(
            {"request_id": request_id.get(), **fields, "timestamp": datetime.now(UTC)}, option=orjson.OPT_UTC_Z
        )
        self._waiting.append(self._begin + own[1:])
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_later(GATHERED_SECONDS, self.flush)

    def flush(self) -> None:
        """Write the lines that wait for others, now."""
        if self._waiting:
            lines, self._waiting = self._waiting, []
            self._line.msg(b"\n".join(lines))


def configure(settings: Settings, service: str = "ishop") -> None:
    """Send all logs of this process to stderr. `service` names the process where the module that speaks does not."""
    level = _level(settings)
    shared: list[Processor] = [
        structlog.processors.ExceptionRenderer(lambda failure: traced(failure[1]) if failure[1] is not None else ""),
        mask,
        structlog.processors.add_log_level,
        _Origin(service),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render = _console() if sys.stderr.isatty() else [_to_json]
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=StderrLine,
        cache_logger_on_first_use=True,
    )
    handler = _StructuredHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render, _decode],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    # The gateway writes the access log; uvicorn's would repeat it with raw paths.
    access = logging.getLogger("uvicorn.access")
    access.handlers, access.propagate = [], False


def mask(_logger: object, _method: str, event: EventDict) -> EventDict:
    """The structlog processor that hides persons and secrets, by the name of a field and by what a text looks like."""
    for name, value in event.items():
        if name not in FOREIGN:
            event[name] = MASK if is_secret(name) else masked(value)
    return event


@functools.lru_cache(maxsize=1024)
def is_secret(name: str) -> bool:
    """Whether a field of this name is never shown."""
    return SECRET_NAME.search(name) is not None


def masked(value: Any) -> Any:
    """`value` with everything masked that must not be logged; containers are copied, other objects become text."""
    if isinstance(value, str):
        return SECRET_TEXT.sub(_masked_unless_kept, value) if "@" in value or SUSPECT.search(value) else value
    if value is None or isinstance(value, int | float):
        return value if value is None or abs(value) < LONG_NUMBER else MASK
    if isinstance(value, BaseException):
        return told(value)
    if isinstance(value, Mapping):
        return {str(name): MASK if is_secret(str(name)) else masked(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [masked(inner) for inner in value]
    return masked(str(value))


def told(error: BaseException) -> str:
    """The class of an error and the first line of its text, without what may be a value in it.

    The first line only: what follows, in the errors of databases and of pydantic, are whole rows and inputs. And what
    is quoted only where it is a name of ours: databases, mail servers and libraries quote what they were given.
    """
    line = next(iter(str(error).splitlines()), "")
    text = SECRET_TEXT.sub(_masked_unless_kept, VALUE.sub(_masked_unless_kept, line))
    return f"{type(error).__name__}: {text[:ERROR_LENGTH]}" if text else type(error).__name__


def traced(error: BaseException, *, seen: frozenset[int] = frozenset()) -> str:
    """The whole traceback of an error, of its causes and of what it groups; of each its place, and what is `told`."""
    parts = []
    above = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    seen |= {id(error)}
    if above is not None and id(above) not in seen:
        parts += [traced(above, seen=seen), "\n\nwhich led to\n\n"]
    parts += [*traceback.format_tb(error.__traceback__), told(error)]
    if isinstance(error, BaseExceptionGroup):
        parts += [f"\n\nwith\n\n{traced(inner, seen=seen)}" for inner in error.exceptions if id(inner) not in seen]
    return "".join(parts)


def _masked_unless_kept(found: re.Match[str]) -> str:
    return found["kept"] or MASK


def _level(settings: Settings) -> int:
    return logging.getLevelNamesMapping()[settings.log_level.upper()]


class _Origin:
    """Adds who speaks (service and module) and for which request."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, logger: Any, _method: str, event: EventDict) -> EventDict:
        name: str = getattr(logger, "name", "") or getattr(event.get("_record"), "name", "")
        head, _, rest = name.partition(".")
        event["service"] = (
            rest.partition(".")[0] if head == "services" else head if head == "gateway" else self._service
        )
        if name:
            event["logger"] = name
        current = request_id.get()
        if current is not None:
            event.setdefault("request_id", current)
        return event


class _StructuredHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        StderrLine().msg(self.format(record).encode(errors="replace"))


def _console() -> list[Processor]:
    return [structlog.dev.ConsoleRenderer(), _encode]


def _encode(_logger: object, _method: str, line: Any) -> Any:
    return line.encode(errors="replace")


def _decode(_logger: object, _method: str, line: Any) -> Any:
    return line.decode()


def _to_json(_logger: object, _method: str, event: EventDict) -> Any:
    return orjson.dumps(event, default=str)
