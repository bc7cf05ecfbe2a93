"""Why a change of stock is refused."""

from ishop.errors import AppError, Conflict


class StockConflict(Conflict):
    """409: the stock is not what the count was based on; `errors` holds the current value."""

    code = "stock_conflict"
    sentence = {
        "id": "Stok sudah berubah sejak hitungan Anda; hitung ulang dari nilai yang sekarang.",
        "en": "The stock has changed since your count; count again from the current value.",
    }


class StockBelowZero(Conflict):
    """409: the delta takes away more than there is; `errors` holds the current value."""

    code = "stock_below_zero"
    sentence = {
        "id": "Pengurangan ini melebihi stok yang ada; kirim hasil hitungan.",
        "en": "This delta takes away more than there is; send a count instead.",
    }


class StockAboveLimit(Conflict):
    """409: no sku may have more than 1,000,000,000 on hand; `errors` holds the current value."""

    code = "stock_above_limit"
    sentence = {
        "id": "Stok satu SKU paling banyak 1.000.000.000.",
        "en": "The stock of one sku is at most 1,000,000,000.",
    }


class StockBatchRefused(Conflict):
    """409: a row of an atomic batch is invalid or in conflict; `errors` holds these rows, and nothing was written."""

    code = "stock_batch_refused"
    sentence = {
        "id": "{failed} dari {rows} baris ditolak, jadi tidak ada yang ditulis; lihat `errors`.",
        "en": "{failed} of {rows} rows were refused, so nothing was written; see `errors`.",
    }


class UnknownSku(AppError):
    """422: there is no such sku, or it is of a vendor that the caller does not belong to."""

    status = 422
    code = "unknown_sku"
    sentence = {"id": "SKU ini tidak ada pada usaha Anda.", "en": "Your vendor has no such sku."}


CONFLICTS = {error.code: error for error in (StockConflict, StockBelowZero, StockAboveLimit)}
