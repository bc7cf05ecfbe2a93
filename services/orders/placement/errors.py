"""What may go wrong when an order is placed."""

from typing import Any

from ishop.errors import Conflict


class InsufficientStock(Conflict):
    """409: there is less than was ordered; `errors` names each line with what is available. Nothing was taken."""

    code = "insufficient_stock"
    sentence = {
        "id": "Stok tidak mencukupi; lihat `errors` untuk jumlah yang tersedia.",
        "en": "There is not enough stock; `errors` says what is available.",
    }
    example = (
        {"pointer": "/lines/3", "sku_id": "0198c5b7-6f0e-7d3a-9f0e-2f4f3f1f6a10", "requested": 12, "available": 7},
    )


class TotalChanged(Conflict):
    """409: the total is not the `expected_total`; `errors` gives the new one."""

    code = "total_changed"
    sentence = {
        "id": "Total pesanan berubah; periksa total baru lalu kirim lagi.",
        "en": "The total of the order has changed; look at the new one and send again.",
    }
    example = (
        {
            "pointer": "/expected_total",
            "in": "body",
            "code": "total_changed",
            "detail": "The total is 48000 rupiah now.",
            "total": {"amount": 48000, "currency": "IDR"},
        },
    )


class CertificateExpired(Conflict):
    """409: a product lacks a certificate that is valid on the promised day of delivery; `errors` names the lines."""

    code = "certificate_expired"
    sentence = {
        "id": "Ada produk yang sertifikatnya tidak berlaku pada tanggal pengiriman yang dijanjikan.",
        "en": "A product has no certificate that is valid on the promised day of delivery.",
    }


def field_error(pointer: str, code: str, detail: str, **more: Any) -> dict[str, Any]:
    """One wrong part of the body."""
    return {"pointer": pointer, "in": "body", "code": code, "detail": detail, **more}
