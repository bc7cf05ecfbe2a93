"""What may go wrong when keys are managed."""

from ishop.errors import Conflict, Forbidden


class AddressNotConfirmed(Forbidden):
    """403: only who has confirmed an e-mail address may make API keys."""

    code = "address_not_confirmed"
    sentence = {
        "id": "Konfirmasi dahulu alamat surel Anda.",
        "en": "Confirm your e-mail address first.",
    }


class ApiKeyEnded(Conflict):
    """409: the key is revoked, expired or rotated already."""

    code = "api_key_ended"
    sentence = {
        "id": "Kunci ini sudah dicabut, kedaluwarsa, atau diganti.",
        "en": "This key is revoked, expired or replaced already.",
    }


class TooManyApiKeys(Conflict):
    """409: an owner has a limited number of live keys."""

    code = "too_many_api_keys"
    sentence = {
        "id": "Paling banyak {limit} kunci aktif; cabut yang tidak dipakai.",
        "en": "At most {limit} keys may be live; revoke those not in use.",
    }
