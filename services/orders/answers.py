"""Answers written as JSON once: the hot routes build plain documents, so no model is validated a second time."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
from starlette.responses import Response


def json_answer(document: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`document` as JSON; times end in Z. What belongs to a caller is kept by no cache."""
    return Response(
        orjson.dumps(document, default=_text, option=orjson.OPT_UTC_Z),
        status,
        {"Cache-Control": "no-store", **(headers or {})},
        "application/json",
    )


def _text(value: Any) -> str:
    """The driver's UUID, a class of its own that the writer does not know; anything else is a mistake of ours."""
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} does not belong in an answer")
