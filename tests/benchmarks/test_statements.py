"""Replays: what was made for one request is made anew, the rest is repeated; and the same as a pgbench script."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from benchmarks.pgbench_script import literal, order_script
from benchmarks.statements import Replay, Statement, scrambled

SKU, VENDOR, OLD_ORDER, ORDER, NEW = (UUID(int=number) for number in range(1, 6))


def order(order_id: UUID, key: str, number: str, moment: int) -> list[Statement]:
    """What a small order sends."""
    return [
        Statement("SELECT * FROM ops.claim_v1($1, $2)", ("me", key)),
        Statement(
            "INSERT INTO o VALUES ($1, $2, $3)\n  RETURNING $4", (number, [VENDOR, SKU], f'{{"at": "{key}"}}', moment)
        ),
        Statement("SELECT r($1, $2, $3)", ([order_id], [SKU], str(order_id))),
    ]


REPLAY = Replay.of(order(OLD_ORDER, "key-a", "ORD-1A", 5), order(ORDER, "key-b", "ORD-7Z", 6))


class TestReplay:
    def test_ids_and_names_are_fresh_when_they_differ_between_the_recordings(self) -> None:
        assert REPLAY.fresh == {"key-b", "ORD-7Z", ORDER, str(ORDER)}

    def test_renewed_puts_one_new_id_wherever_the_old_one_stood(self) -> None:
        claim, insert, reserve = REPLAY.renewed(iter([NEW]))
        assert reserve.values == ([NEW], [SKU], str(NEW))
        assert claim.values[0] == "me"
        assert claim.values[1] != "key-b"
        assert insert.values[1:] == ([VENDOR, SKU], '{"at": "key-b"}', 6)
        assert (insert.values[0][3], insert.values[0] != "ORD-7Z") == ("-", True)

    def test_refused_when_the_recordings_sent_different_statements(self) -> None:
        with pytest.raises(ValueError, match="same statements"):
            Replay.of(order(ORDER, "a", "b", 1), order(ORDER, "a", "b", 1)[:2])

    def test_scrambled_keeps_the_form(self) -> None:
        made = scrambled("ab-12_XY")
        assert made != scrambled("ab-12_XY")
        assert (made[:2].islower(), made[2], made[3:5].isdigit(), made[5], made[6:].isupper()) == (
            True, "-", True, "_", True,
        )  # fmt: skip


class TestOrderScript:
    def test_transaction_is_the_recorded_one_with_variables(self) -> None:
        lines = order_script(REPLAY, SKU, 40).splitlines()
        assert lines[0] == "\\set place random(0, 39)"
        assert lines[-1] == "COMMIT;"
        begin = lines.index("BEGIN;")
        claim, insert, reserve = lines[begin + 1 : -1]
        assert claim.startswith("SELECT first.*, (SELECT b.sku_id FROM bench.skus b WHERE b.place = :place::integer) ")
        assert claim.endswith(
            "uuidv7() AS id_0 FROM (SELECT * FROM ops.claim_v1(E'me', to_hex(:name_2::bigint))) AS first \\gset"
        )
        assert f"ARRAY['{VENDOR}'::uuid, :sku::uuid]" in insert
        assert insert.endswith("RETURNING (6);")
        assert "ARRAY[:id_0::uuid], ARRAY[:sku::uuid]" in reserve

    def test_literals_mean_the_same_and_hold_no_colon_that_pgbench_would_take(self) -> None:
        written = {
            "it's \\ 10:30": "E'it''s \\\\ 10\\x3a30'",
            None: "NULL",
            True: "true",
            -3: "(-3)",
            b"\x01\xff": "'\\x01ff'::bytea",
            date(2026, 1, 2): "'2026-01-02'::date",
            datetime(2026, 1, 2, 3, 4, tzinfo=UTC): "E'2026-01-02T03\\x3a04\\x3a00+00\\x3a00'::timestamptz",
        }
        for value, expected in written.items():
            assert literal(value, {}) == expected
        assert literal([], {}) == "'{}'"
        assert literal([1, None], {}) == "ARRAY[(1), NULL]"
