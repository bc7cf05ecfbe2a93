"""Saying in time that a part of the API will go: in the document, and in the header fields of RFC 9745 and RFC 8594."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl


@dataclass(frozen=True, slots=True)
class Deprecation:
    """What is deprecated since one day, works through another, and has a successor.

    On a route it is the operation, or the query parameter that `parameter` names. Of a field of a schema, which no
    header field could name, `schema` goes into the field's `json_schema_extra`.
    """

    since: date
    sunset: date
    """The last day on which it works, UTC."""
    successor: str
    """The path of the operation, or the name of the parameter or field, to use instead."""
    parameter: str | None = None

    def __post_init__(self) -> None:
        """Refuse an end before the beginning (RFC 9745, section 4)."""
        if self.sunset < self.since:
            raise ValueError(f"{self.successor}: the sunset {self.sunset} is before the deprecation {self.since}")

    def concerns(self, query: bytes) -> bool:
        """Whether a request with this query string uses what is deprecated."""
        return self.parameter is None or any(
            name == self.parameter for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        )

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What an answer tells its caller."""
        since = datetime.combine(self.since, time.min, UTC)
        sunset = datetime.combine(self.sunset, time(23, 59, 59), UTC)
        fields = [
            (b"deprecation", f"@{since.timestamp():.0f}".encode()),
            (b"sunset", format_datetime(sunset, usegmt=True).encode()),
            (b"link", b'</docs>; rel="deprecation"; type="text/html"'),
        ]
        if self.parameter is None:
            fields.append((b"link", f'<{self.successor}>; rel="successor-version"'.encode()))
        return fields

    def schema(self) -> dict[str, Any]:
        """What the document says of it."""
        return {
            "deprecated": True,
            "x-deprecated-since": self.since.isoformat(),
            "x-sunset": self.sunset.isoformat(),
            "x-successor": self.successor,
        }

    def sentence(self) -> str:
        """The same for people."""
        return f"Deprecated since {self.since}, gone after {self.sunset}; use `{self.successor}`."


def mark(operation: dict[str, Any], deprecations: Iterable[Deprecation]) -> None:
    """Write what is deprecated into an operation of the document."""
    for deprecation in deprecations:
        marked = operation
        if deprecation.parameter is not None:
            marked = next(
                parameter
                for parameter in operation["parameters"]
                if (parameter.get("name"), parameter.get("in")) == (deprecation.parameter, "query")
            )
        marked |= deprecation.schema()
        marked["description"] = f"{deprecation.sentence()} {marked.get('description', '')}".strip()
        for status, answer in operation["responses"].items():
            if status.startswith("2"):
                answer["headers"] |= {
                    name: {"$ref": f"#/components/headers/{name}"} for name in ("Deprecation", "Sunset", "Link")
                }
