"""What may go wrong when an order moves from one state to another."""

from collections.abc import Sequence
from uuid import UUID

from ishop.errors import Conflict


class IllegalTransition(Conflict):
    """409: the state machine has no way from the present state to the wanted one; `errors` gives both."""

    code = "illegal_transition"
    sentence = {
        "id": "Status tidak dapat berubah dari {current} menjadi {target}.",
        "en": "The status cannot change from {current} to {target}.",
    }
    example = ({"pointer": "", "code": "illegal_transition", "from": "delivered", "to": "rejected"},)

    def __init__(self, current: str, target: str) -> None:
        super().__init__(
            current=current,
            target=target,
            errors=[{"pointer": "", "code": self.code, "from": str(current), "to": str(target)}],
        )


class CannotCancel(Conflict):
    """409: nothing of this order can be cancelled any more; what a vendor has accepted ends by agreement only."""

    code = "cannot_cancel"
    sentence = {
        "id": "Pesanan ini tidak dapat dibatalkan lagi; hubungi penjual.",
        "en": "This order can no longer be cancelled; speak to the vendor.",
    }


class Unsettled(Exception):
    """Orders of which one at least cannot be ended by the clock; its cause says why. No caller is ever answered it."""

    def __init__(self, order_ids: Sequence[UUID]) -> None:
        super().__init__(f"{len(order_ids)} orders")
        self.order_ids = list(order_ids)
