"""What belongs to the request being served, for logs and for what it leaves behind."""

from contextvars import ContextVar

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
