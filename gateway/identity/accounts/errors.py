"""What may go wrong with an account."""

from ishop.errors import AppError


class InvalidToken(AppError):
    """400: the token of a mail is unknown, used, or has expired; the answer does not tell which."""

    status = 400
    code = "invalid_token"
    sentence = {
        "id": "Tautan ini tidak berlaku (lagi); minta yang baru.",
        "en": "This link is not valid, or not any more; ask for a new one.",
    }
