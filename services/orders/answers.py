"""Answers written as JSON once: the hot routes build plain documents, so no model is validated a second time."""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response


def json_answer(document: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`document` as JSON; times end in Z. What belongs to a caller is kept by no cache."""
    return Response(
        orjson.dumps(document, option=orjson.OPT_UTC_Z),
        status,
        {"Cache-Control": "no-store", **(headers or {})},
        "application/json",
    )
