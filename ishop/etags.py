"""Strong ETags made of a row's version, and the conditional requests that use them (RFC 9110)."""

from typing import Annotated

from fastapi import Header

from ishop.errors import PreconditionRequired, VersionMismatch

IfMatch = Annotated[str | None, Header(description='The ETag that the edit is based on, such as "7"')]
IfNoneMatch = Annotated[str | None, Header(description="The ETag that the caller has; 304 where it still holds")]


def etag(version: int | str) -> str:
    """The ETag of a version."""
    return f'"{version}"'


def matches(header: str, tag: str) -> bool:
    """Whether a list of ETags names `tag`; weak ones compare like strong ones, as If-None-Match wants it."""
    return header.strip() == "*" or tag in {part.strip().removeprefix("W/") for part in header.split(",")}


def require_match(if_match: str | None, version: int) -> None:
    """Refuse an edit without If-Match (428) or of another version (412)."""
    if if_match is None:
        raise PreconditionRequired
    if not matches(if_match, etag(version)):
        raise VersionMismatch
