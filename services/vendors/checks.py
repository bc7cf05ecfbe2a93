"""What `ishop doctor` checks of this service: stock is the sum of its movements and holds what open orders need."""

from typing import Final

from ishop.doctor import Check

CHECKS: Final[tuple[Check, ...]] = (
    Check(
        "stock equals the sums of its movements",
        """
        SELECT format('sku %s: on_hand %s, movements %s; reserved %s, movements %s', s.sku_id,
                      s.on_hand, coalesce(m.on_hand, 0), s.reserved, coalesce(m.reserved, 0))
        FROM vendors.stock s
        LEFT JOIN (
            SELECT sku_id, sum(on_hand_change) AS on_hand, sum(reserved_change) AS reserved
            FROM vendors.stock_movements GROUP BY sku_id
        ) m ON m.sku_id = s.sku_id
        WHERE s.on_hand <> coalesce(m.on_hand, 0) OR s.reserved <> coalesce(m.reserved, 0)
        ORDER BY s.sku_id
        """,
    ),
    Check(
        "reserved stock equals what open vendor orders hold",
        """
        SELECT format('sku %s: reserved %s, held %s', s.sku_id, s.reserved, coalesce(r.quantity, 0))
        FROM vendors.stock s
        LEFT JOIN (
            SELECT sku_id, sum(quantity) AS quantity FROM vendors.reservations WHERE state = 'held' GROUP BY sku_id
        ) r ON r.sku_id = s.sku_id
        WHERE s.reserved <> coalesce(r.quantity, 0)
        ORDER BY s.sku_id
        """,
    ),
    Check(
        "the shortfall is what is reserved beyond on hand",
        """
        SELECT format('sku %s: on_hand %s, reserved %s, shortfall %s', sku_id, on_hand, reserved, shortfall)
        FROM vendors.stock
        WHERE shortfall <> greatest(0, reserved - on_hand)
        ORDER BY sku_id
        """,
    ),
    Check(
        "movements belong to the vendor of their sku",
        """
        SELECT format('movement %s of sku %s: vendor %s, stock of vendor %s', m.id, m.sku_id, m.vendor_id, s.vendor_id)
        FROM vendors.stock_movements m JOIN vendors.stock s ON s.sku_id = m.sku_id
        WHERE m.vendor_id <> s.vendor_id
        ORDER BY m.id
        """,
    ),
)
