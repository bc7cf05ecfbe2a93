"""What may go wrong when a password is asked for again."""

from ishop.errors import AppError


class WrongPassword(AppError):
    """403: the current password is not right."""

    status = 403
    code = "wrong_password"
    sentence = {"id": "Kata sandi saat ini salah.", "en": "The current password is not right."}
