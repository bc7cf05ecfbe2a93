"""The invariants of orders and their money, for `ishop doctor`."""

from typing import Final

from ishop.doctor import Check

CHECKS: Final[tuple[Check, ...]] = (
    Check(
        "The sums of an order are those of its living vendor orders",
        """
        SELECT format('order %s: %s + %s + %s, its vendor orders say %s + %s + %s', o.number,
                      o.subtotal, o.shipping, o.tax, v.subtotal, v.shipping, v.tax)
        FROM orders.orders o
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(v.subtotal), 0) AS subtotal, coalesce(sum(v.shipping), 0) AS shipping,
                   coalesce(sum(v.tax), 0) AS tax
            FROM orders.vendor_orders v WHERE v.order_id = o.id AND v.status NOT IN ('rejected', 'cancelled')
        ) v
        WHERE (o.subtotal, o.shipping, o.tax) <> (v.subtotal, v.shipping, v.tax)
        """,
    ),
    Check(
        "The total that was ordered is that of all vendor orders",
        """
        SELECT format('order %s: original total %s, its vendor orders say %s', o.number, o.original_total, sum(v.total))
        FROM orders.orders o LEFT JOIN orders.vendor_orders v ON v.order_id = o.id
        GROUP BY o.id HAVING o.original_total IS DISTINCT FROM sum(v.total)
        """,
    ),
    Check(
        "The subtotal and tax of a vendor order are those of its lines",
        """
        SELECT format('vendor order %s: %s + %s, its lines say %s + %s',
                      v.id, v.subtotal, v.tax, sum(l.total), sum(l.tax))
        FROM orders.vendor_orders v LEFT JOIN orders.order_lines l ON l.vendor_order_id = v.id
        GROUP BY v.id HAVING (v.subtotal, v.tax) IS DISTINCT FROM (sum(l.total), sum(l.tax))
        """,
    ),
    Check(
        "Reservations are those of the order lines: held until shipped, released when void",
        """
        WITH wanted AS (
            SELECT l.vendor_order_id, l.sku_id, sum(l.quantity) AS quantity,
                   CASE WHEN v.status IN ('placed', 'accepted') THEN 'held'
                        WHEN v.status IN ('shipped', 'delivered') THEN 'shipped' ELSE 'released' END AS state
            FROM orders.order_lines l JOIN orders.vendor_orders v ON v.id = l.vendor_order_id
            GROUP BY l.vendor_order_id, l.sku_id, v.status
        )
        SELECT format('vendor order %s, sku %s: lines want %s %s, reserved are %s %s',
                      coalesce(w.vendor_order_id, r.vendor_order_id), coalesce(w.sku_id, r.sku_id),
                      w.quantity, w.state, r.quantity, r.state)
        FROM wanted w FULL JOIN vendors.reservations r USING (vendor_order_id, sku_id)
        WHERE (w.quantity, w.state) IS DISTINCT FROM (r.quantity, r.state)
        """,
    ),
    Check(
        "What an order was paid is the sum of its allocated payments",
        """
        SELECT format('order %s: paid %s, payments say %s', o.number, o.paid, coalesce(sum(p.amount), 0))
        FROM orders.orders o LEFT JOIN orders.payments p ON p.order_id = o.id AND p.allocated
        GROUP BY o.id HAVING o.paid <> coalesce(sum(p.amount), 0)
        """,
    ),
    Check(
        "What was paid too much or too late is due back, no more and no less",
        """
        SELECT format('order %s: %s paid of %s and %s too late, refunds are %s and %s', o.number, o.paid, o.total,
                      p.late, r.excess, r.late)
        FROM orders.orders o
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(r.amount) FILTER (WHERE r.reason <> 'late_payment'), 0) AS excess,
                   coalesce(sum(r.amount) FILTER (WHERE r.reason = 'late_payment'), 0) AS late
            FROM orders.refunds r WHERE r.order_id = o.id
        ) r
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(p.amount), 0) AS late FROM orders.payments p WHERE p.order_id = o.id AND NOT p.allocated
        ) p
        WHERE r.excess <> greatest(0, o.paid - o.total) OR r.late <> p.late
        """,
    ),
    Check(
        "The state of an order fits the states of its vendor orders",
        """
        SELECT format('order %s is %s, its vendor orders are %s', o.number, o.status, string_agg(v.status, ', '))
        FROM orders.orders o LEFT JOIN orders.vendor_orders v ON v.order_id = o.id
        GROUP BY o.id
        HAVING NOT CASE o.status
            WHEN 'awaiting_payment' THEN bool_and(v.status = 'placed')
            WHEN 'confirmed' THEN bool_or(v.status IN ('placed', 'accepted', 'shipped'))
            WHEN 'completed' THEN bool_and(v.status IN ('delivered', 'rejected', 'cancelled'))
                                  AND bool_or(v.status = 'delivered')
            ELSE bool_and(v.status IN ('rejected', 'cancelled'))
        END
        """,
    ),
    Check(
        "The history of every order and vendor order ends in its state",
        """
        WITH states AS (
            SELECT o.id AS order_id, NULL::uuid AS vendor_order_id, o.status FROM orders.orders o
            UNION ALL
            SELECT v.order_id, v.id, v.status FROM orders.vendor_orders v
        )
        SELECT format('order %s, vendor order %s is %s, its history ends in %s',
                      s.order_id, s.vendor_order_id, s.status, h.to_status)
        FROM states s
        LEFT JOIN LATERAL (
            SELECT t.to_status FROM orders.transitions t
            WHERE t.order_id = s.order_id AND t.vendor_order_id IS NOT DISTINCT FROM s.vendor_order_id
            ORDER BY t.id DESC LIMIT 1
        ) h ON true
        WHERE s.status IS DISTINCT FROM h.to_status
        """,
    ),
    Check(
        "No order is unpaid 10 minutes past its deadline",
        """
        SELECT format('order %s is unpaid, its deadline was %s', o.number, o.expires_at)
        FROM orders.orders o
        WHERE o.status = 'awaiting_payment' AND o.expires_at < now() - interval '10 minutes'
        """,
    ),
    Check(
        "No vendor order is unanswered 10 minutes past its deadline",
        """
        SELECT format('vendor order %s is unanswered, its deadline was %s', v.id, v.accept_by)
        FROM orders.vendor_orders v
        WHERE v.status = 'placed' AND v.accept_by < now() - interval '10 minutes'
        """,
    ),
)
