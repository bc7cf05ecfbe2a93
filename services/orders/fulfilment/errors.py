"""What may go wrong when a vendor works on its part of an order."""

from ishop.errors import Conflict


class OrderNotConfirmed(Conflict):
    """409: the buyer has not paid yet (or the order has ended), so nothing may be done for it."""

    code = "order_not_confirmed"
    sentence = {
        "id": "Pesanan ini berstatus {status}; hanya pesanan yang sudah dikonfirmasi yang boleh diproses.",
        "en": "The order is {status}; only a confirmed order may be worked on.",
    }
