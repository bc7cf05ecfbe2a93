"""Strong ETags made of a row's version, and the conditional requests that use them (RFC 9110)."""

import hashlib
from typing import Annotated

from fastapi import Header
from starlette.responses import Response

from ishop.errors import Language, PreconditionRequired, VersionMismatch

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


def public_answer(
    body: bytes, language: Language, if_none_match: str | None, *, max_age: int, version: int | str | None = None
) -> Response:
    """What anybody may read and every cache may keep for `max_age` seconds; 304 where the caller has it already.

    `body` is JSON in `language`. The ETag is made of `version`, of the body itself where there is none, and always of
    the language, because one address has a text in each.
    """
    if version is None:
        version = hashlib.blake2b(body, digest_size=12).hexdigest()
    tag = etag(f"{version}-{language}")
    headers = {
        "ETag": tag,
        "Cache-Control": f"public, max-age={max_age}",
        "Content-Language": language,
        "Vary": "Accept-Language",
    }
    if if_none_match is not None and matches(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")
