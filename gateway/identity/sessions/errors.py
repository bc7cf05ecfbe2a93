"""What may go wrong when somebody signs in."""

from ishop.errors import AppError


class InvalidCredentials(AppError):
    """401: the e-mail address, the password or the refresh token is not right; the answer does not tell which."""

    status = 401
    code = "invalid_credentials"
    sentence = {
        "id": "Surel atau kata sandi salah, atau sesi sudah berakhir.",
        "en": "The e-mail address or the password is wrong, or the session has ended.",
    }

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": "Bearer"})


class UnsupportedGrantType(AppError):
    """400: only the grants `password` and `refresh_token` exist."""

    status = 400
    code = "unsupported_grant_type"
    sentence = {
        "id": "Gunakan grant_type `password` atau `refresh_token`.",
        "en": "Use the grant_type `password` or `refresh_token`.",
    }
