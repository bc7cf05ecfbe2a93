"""Expected failures: a class each, with an HTTP status, a stable code and a sentence in Indonesian and English.

Pure on purpose: rules raise these without knowing the web framework. `ishop.problems` alone renders them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

Language = Literal["id", "en"]


class AppError(Exception):
    """The base; `fields` fill the sentence, `errors` name the parts of the request by JSON pointer."""

    status: ClassVar[int]
    code: ClassVar[str]
    sentence: ClassVar[Mapping[Language, str]]
    example: ClassVar[Sequence[Mapping[str, Any]]] = ()
    """What `errors` holds, for the readers of the document."""

    def __init__(
        self,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        **fields: object,
    ) -> None:
        super().__init__(self.sentence["en"].format(**fields))
        self.errors = list(errors)
        self.headers = dict(headers or {})
        self.fields = fields

    def detail(self, language: Language) -> str:
        """The sentence for the caller."""
        return self.sentence[language].format(**self.fields)


class MalformedRequest(AppError):
    """400: the request cannot be read at all."""

    status = 400
    code = "malformed_request"
    sentence = {"id": "Permintaan tidak dapat dibaca: {reason}.", "en": "The request cannot be read: {reason}."}


class IdempotencyKeyRequired(AppError):
    """400: this operation needs an Idempotency-Key, so that it is safe to send again."""

    status = 400
    code = "idempotency_key_required"
    sentence = {
        "id": "Kirim header Idempotency-Key (1-255 karakter) agar permintaan aman diulang.",
        "en": "Send an Idempotency-Key header (1-255 characters), so that the request is safe to repeat.",
    }


class Unauthenticated(AppError):
    """401: nobody is signed in, or the token is not (or no longer) valid."""

    status = 401
    code = "unauthenticated"
    sentence = {
        "id": "Masuk dahulu: token akses tidak ada, tidak sah, atau kedaluwarsa.",
        "en": "Sign in first: the access token is missing, invalid or expired.",
    }

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": "Bearer"})


class Forbidden(AppError):
    """403: the caller's role may not use this collection at all."""

    status = 403
    code = "forbidden"
    sentence = {
        "id": "Peran Anda tidak boleh melakukan ini.",
        "en": "Your role may not do this.",
    }


class InsufficientScope(Forbidden):
    """403: the caller's key or token is limited to scopes, and the one that this operation needs is not among them."""

    code = "insufficient_scope"
    sentence = {
        "id": "Kunci atau token ini tidak memiliki cakupan `{scope}`.",
        "en": "This key or token does not have the scope `{scope}`.",
    }

    def __init__(self, scope: str = "{scope}") -> None:
        super().__init__(
            scope=scope, headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'}
        )


class NotFound(AppError):
    """404: it is not there, or it is not yours; the answer does not tell which."""

    status = 404
    code = "not_found"
    sentence = {"id": "Tidak ditemukan.", "en": "Not found."}


class MethodNotAllowed(AppError):
    """405: the path exists, not with this method."""

    status = 405
    code = "method_not_allowed"
    sentence = {"id": "Metode ini tidak tersedia di sini.", "en": "This method is not available here."}


class Conflict(AppError):
    """409: the state of things does not allow it; subclasses say which."""

    status = 409
    code = "conflict"
    sentence = {"id": "Keadaan data tidak mengizinkan.", "en": "The state of the data does not allow it."}


class RequestInFlight(Conflict):
    """409: the first request with this Idempotency-Key is still being worked on."""

    code = "request_in_flight"
    sentence = {
        "id": "Permintaan pertama dengan Idempotency-Key ini masih diproses; coba lagi sebentar lagi.",
        "en": "The first request with this Idempotency-Key is still being processed; try again shortly.",
    }

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "2"})


class AnswerNotKept(Conflict):
    """409: this was done before under this Idempotency-Key, and the answer held a secret that is shown only once."""

    code = "answer_not_kept"
    sentence = {
        "id": "Permintaan ini sudah dijalankan; jawabannya memuat rahasia yang hanya ditampilkan sekali.",
        "en": "This request was carried out before; its answer held a secret that is shown only once.",
    }


class VersionMismatch(AppError):
    """412: the row has changed since the caller read it."""

    status = 412
    code = "version_mismatch"
    sentence = {
        "id": "Data sudah berubah sejak Anda membacanya; baca ulang lalu kirim lagi.",
        "en": "The data has changed since you read it; read it again and resend.",
    }


class PayloadTooLarge(AppError):
    """413: the body is over the limit."""

    status = 413
    code = "payload_too_large"
    sentence = {
        "id": "Isi permintaan melebihi batas {limit} byte.",
        "en": "The request body is over the limit of {limit} bytes.",
    }


class UnsupportedMediaType(AppError):
    """415: the body is not of the type that this operation reads."""

    status = 415
    code = "unsupported_media_type"
    sentence = {"id": "Kirim isi sebagai {expected}.", "en": "Send the body as {expected}."}


class InvalidRequest(AppError):
    """422: the request reads well, but a field is wrong; `errors` names each by JSON pointer."""

    status = 422
    code = "invalid_request"
    sentence = {
        "id": "Permintaan tidak sah; lihat `errors`.",
        "en": "The request is not valid; see `errors`.",
    }
    example = ({"pointer": "/limit", "in": "query", "code": "less_than_equal", "detail": "At most 100."},)


class IdempotencyKeyReused(AppError):
    """422: the key was used before with another request."""

    status = 422
    code = "idempotency_key_reused"
    sentence = {
        "id": "Idempotency-Key ini sudah dipakai untuk permintaan lain.",
        "en": "This Idempotency-Key was used before for another request.",
    }


class PreconditionRequired(AppError):
    """428: an edit must say which version it is based on."""

    status = 428
    code = "precondition_required"
    sentence = {
        "id": "Kirim header If-Match dengan ETag dari data yang Anda baca.",
        "en": "Send an If-Match header with the ETag of what you read.",
    }


class TooManyRequests(AppError):
    """429: over the rate limit; Retry-After says when to come back."""

    status = 429
    code = "too_many_requests"
    sentence = {
        "id": "Terlalu banyak permintaan; coba lagi dalam {seconds} detik.",
        "en": "Too many requests; try again in {seconds} seconds.",
    }


class InternalError(AppError):
    """500: our fault; the log has the reason under the request id."""

    status = 500
    code = "internal_error"
    sentence = {
        "id": "Terjadi kesalahan di pihak kami; sebutkan request_id saat melapor.",
        "en": "Something went wrong on our side; give the request_id when you report it.",
    }


class Unavailable(AppError):
    """503: a part that is needed does not answer now; send the same again, a write with the same Idempotency-Key."""

    status = 503
    code = "unavailable"
    sentence = {
        "id": "Layanan sedang tidak tersedia; kirim lagi permintaan yang sama dengan Idempotency-Key yang sama.",
        "en": "The service is not available right now; send the same request again with the same Idempotency-Key.",
    }

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


class Overloaded(Unavailable):
    """503: there are more requests of this kind than can be answered in time; nothing was begun, send it again."""

    code = "overloaded"
    sentence = {
        "id": "Terlalu banyak permintaan sedang menunggu; coba lagi sebentar lagi.",
        "en": "Too many requests are waiting already; try again shortly.",
    }


class DeadlineExceeded(AppError):
    """504: it took too long and was given up; whether it took effect is told by sending it again with the same key."""

    status = 504
    code = "deadline_exceeded"
    sentence = {
        "id": "Permintaan tidak selesai dalam {seconds:g} detik; kirim lagi dengan Idempotency-Key yang sama.",
        "en": "The request was not done within {seconds:g} seconds; send it again with the same Idempotency-Key.",
    }
