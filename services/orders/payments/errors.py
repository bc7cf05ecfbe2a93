"""What may go wrong when the office records a payment."""

from ishop.errors import Conflict


class DuplicatePaymentReference(Conflict):
    """409: a payment with this reference was recorded before, for this or another order."""

    code = "duplicate_payment_reference"
    sentence = {
        "id": "Pembayaran dengan referensi ini sudah dicatat sebelumnya.",
        "en": "A payment with this reference was recorded before.",
    }
