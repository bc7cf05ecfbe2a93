"""Why an account cannot be deleted yet."""

from ishop.errors import Conflict


class OrdersOpen(Conflict):
    """409: some of the person's orders are not final yet; `errors` names them."""

    code = "orders_open"
    sentence = {
        "id": "Masih ada pesanan yang belum selesai; tunggu atau batalkan dahulu.",
        "en": "Some of your orders are not final yet; wait for them or cancel them first.",
    }


class LastInCharge(Conflict):
    """409: a vendor or an organization would be left without anybody in charge; `errors` names it."""

    code = "last_in_charge"
    sentence = {
        "id": "Anda satu-satunya penanggung jawab di sana; serahkan dahulu kepada orang lain.",
        "en": "You are the only one in charge there; hand it over to somebody else first.",
    }
