"""Logs: their shape, and that neither persons nor secrets get into them."""

import asyncio
import logging
import sys
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import orjson
import pytest
import structlog

from ishop.context import request_id
from ishop.logs import GATHERED_SECONDS, MASK, AccessLog, configure, masked, told, traced
from ishop.settings import Settings

NIK = "5201014107900001"
NPWP = "09.254.294.3-407.000"
TOKEN = "eyJhbGciOiJFZDI1NTE5In0.eyJzdWIiOiIwMTk4In0.c2lnbmF0dXJl"


@pytest.fixture(autouse=True)
def logs() -> Iterator[None]:
    """The logs as a process has them, and as they were before at the end."""
    before = structlog.get_config()
    root, quiet = logging.getLogger(), logging.getLogger("httpx")
    handlers, level, quiet_level = root.handlers[:], root.level, quiet.level
    configure(Settings(_env_file=None), service="market")
    yield
    structlog.configure(**before)
    root.handlers[:], quiet.level = handlers, quiet_level
    root.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What went to stderr, parsed; nothing goes to stdout."""
    captured = capsys.readouterr()
    assert captured.out == ""
    return [orjson.loads(line) for line in captured.err.splitlines()]


class TestShape:
    def test_one_json_object_a_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        in_request = request_id.set("followed-1")
        structlog.get_logger("services.orders.placement").info("placed", lines=3, text="two\nlines", id=UUID(int=1))
        request_id.reset(in_request)
        [line] = lines(capsys)
        timestamp = line.pop("timestamp")
        assert timestamp.endswith("Z")
        assert line == {
            "event": "placed",
            "level": "info",
            "service": "orders",
            "logger": "services.orders.placement",
            "request_id": "followed-1",
            "lines": 3,
            "text": "two\nlines",
            "id": str(UUID(int=1)),
        }

    @pytest.mark.parametrize(
        ("name", "service"),
        [("gateway.app", "gateway"), ("services.catalog.search", "catalog"), ("ishop.worker", "market")],
    )
    def test_service_is_who_speaks(self, capsys: pytest.CaptureFixture[str], name: str, service: str) -> None:
        structlog.get_logger(name).warning("something")
        [line] = lines(capsys)
        assert (line["service"], line["level"], "request_id" in line) == (service, "warning", False)

    def test_standard_library_in_the_same_shape(self, capsys: pytest.CaptureFixture[str]) -> None:
        logging.getLogger("uvicorn.error").warning("mail to %s failed", "sari@demo.test")
        [line] = lines(capsys)
        assert line.keys() == {"event", "level", "service", "logger", "timestamp"}
        assert (line["event"], line["logger"]) == (f"mail to {MASK} failed", "uvicorn.error")

    def test_quiet_below_the_level(self, capsys: pytest.CaptureFixture[str]) -> None:
        structlog.get_logger("gateway").debug("nothing")
        logging.getLogger("ishop.postgres").debug("nothing")
        logging.getLogger("httpx").info("HTTP Request: GET http://127.0.0.1")
        logging.getLogger("uvicorn.access").info("GET /v1/orders/1")
        assert lines(capsys) == []

    def test_exception_is_text_without_local_variables(self, capsys: pytest.CaptureFixture[str]) -> None:
        hidden = "a local variable"
        try:
            int(f"sari@demo.test, {NIK}")
        except ValueError:
            structlog.get_logger("gateway").exception("failed")
        [line] = lines(capsys)
        assert line["exception"].endswith("ValueError: invalid literal for int() with base 10: ***")
        assert hidden not in line["exception"]

    def test_readable_on_a_terminal(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        configure(Settings(_env_file=None))
        structlog.get_logger("gateway").info("signed in", email="sari@demo.test", status=200)
        logging.getLogger("uvicorn.error").warning("from elsewhere")
        first, second = capsys.readouterr().err.splitlines()
        assert "signed in" in first
        assert "sari" not in first
        assert "from elsewhere" in second


class TestAccessLog:
    async def test_in_the_shape_of_all_others(self, capsys: pytest.CaptureFixture[str]) -> None:
        in_request = request_id.set("followed-1")
        log = AccessLog(Settings(_env_file=None), "gateway.access", "gateway")
        log.write(route="/v1/orders", status=200)
        log.flush()
        structlog.get_logger("gateway.access").info("request", route="/v1/orders", status=200)
        request_id.reset(in_request)
        fast, ordinary = lines(capsys)
        assert len(fast.pop("timestamp")) == len(ordinary.pop("timestamp"))
        assert fast == ordinary

    async def test_every_line_once_whoever_writes_them_out(self, capsys: pytest.CaptureFixture[str]) -> None:
        log = AccessLog(Settings(_env_file=None), "gateway.access", "gateway")
        for statuses in (range(3), range(3, 5)):
            for status in statuses:
                log.write(status=status)
            await asyncio.sleep(2 * GATHERED_SECONDS)
        for status in (5, 6):
            log.write(status=status)
            log.flush()
        await asyncio.sleep(2 * GATHERED_SECONDS)
        assert [line["status"] for line in lines(capsys)] == [0, 1, 2, 3, 4, 5, 6]

    async def test_quiet_below_the_level(self, capsys: pytest.CaptureFixture[str]) -> None:
        AccessLog(Settings(_env_file=None, log_level="warning"), "gateway.access", "gateway").write(status=200)
        await asyncio.sleep(2 * GATHERED_SECONDS)
        assert lines(capsys) == []

    def test_readable_on_a_terminal(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        configure(Settings(_env_file=None))
        AccessLog(Settings(_env_file=None), "gateway.access", "gateway").write(route="/v1/orders", status=200)
        line = capsys.readouterr().err
        assert "request" in line
        assert not line.startswith("{")


class TestMask:
    @pytest.mark.parametrize(
        "name",
        ["password", "new_password", "token", "refresh_token", "access_token", "authorization", "Authorization",
         "set-cookie", "nik", "buyer_nik", "npwp", "phone", "email", "e-mail", "address", "ship_to", "bank_account",
         "signing_key", "api_key", "secret", "dsn"],
    )  # fmt: skip
    def test_whole_value_when_the_name_says_so(self, capsys: pytest.CaptureFixture[str], name: str) -> None:
        structlog.get_logger("gateway").info("line", **{name: "Jalan Pejanggik 7"}, deeper=[{name: 5}])
        [line] = lines(capsys)
        assert line[name] == MASK
        assert line["deeper"] == [{name: MASK}]

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("mail sari.w+toko@mail.demo.test now", "mail *** now"),
            (f"NIK {NIK}.", "NIK ***."),
            (f"NPWP {NPWP} or 092542943407000", "NPWP *** or ***"),
            ("call +6281234567890 or 081234567890", "call *** or ***"),
            (f"Authorization: Bearer {TOKEN}", "Authorization: ***"),
            (f"the key ishop_k3v7q2mhd5xa_{'u0Wb1m-X_y' * 4}abc", "the key ishop_***"),
            ("role ishop_gateway of ishop_market", "role ishop_gateway of ishop_market"),
            ("BEARER abc.def-ghi_jkl", "***"),
            (f"got {TOKEN} here", "got *** here"),
            ("postgresql://ishop_orders:pa55word@127.0.0.1:5432/ishop", "postgresql://***127.0.0.1:5432/ishop"),
            ("call 0812-3456-7890 or +62 812 3456 7890", "call *** or ***"),
            ("NIK 520101 410790 0001, BNI 0123456789", "NIK ***, BNI ***"),
            ("DETAIL: Key (email)=(sari@demo.test) already exists.", "DETAIL: Key (email)=(***) already exists."),
        ],
    )
    def test_what_looks_like_a_person_or_a_secret(self, text: str, shown: str) -> None:
        assert masked(text) == shown
        assert masked({"note": [text]}) == {"note": [shown]}

    @pytest.mark.parametrize(
        "text",
        [
            "0198c5b7-6f0e-7d3a-9f0e-2f4f3f1f6a10",
            "ordered 1200 pieces for Rp45000000",
            "2026-11-22T02:00:00.123456Z",
            "/v1/orders/{order_id}",
            "http://127.0.0.1:8000/docs",
        ],
    )
    def test_nothing_when_there_is_nothing(self, text: str) -> None:
        assert masked(text) == text

    def test_values_that_are_no_text(self) -> None:
        assert masked({"count": 3, "share": 0.5, "well": True, "none": None}) == {
            "count": 3,
            "share": 0.5,
            "well": True,
            "none": None,
        }
        assert masked((1, ValueError("sari@demo.test"))) == [1, f"ValueError: {MASK}"]
        assert masked([int(NIK), -int(NIK)]) == [MASK, MASK]


class TestErrors:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            (
                'new row violates check constraint "ck_orders_total"\nDETAIL:  Failing row contains (7, Siti, Jl. 1).',
                'new row violates check constraint "ck_orders_total"',
            ),
            ('invalid input syntax for type uuid: "Siti Rahmawati"', "invalid input syntax for type uuid: ***"),
            ("(550, '<siti@demo.test> Siti, Jl. Mawar 1, is unknown')", "(550, ***)"),
            ("(550, 'it\\'s Siti')", "(550, ***)"),
            (
                "1 validation error for Order\nname\n  bad [input_value='Siti', input_type=str]",
                "1 validation error for Order",
            ),
            ("no product 019a0b12-3456-7890-8abc-0123456789ab", "no product 019a0b12-3456-7890-8abc-0123456789ab"),
            ("key u0Wb1mXhQy3v2xq9oKq0c1m7m1bGv5zq8m4hX0b9n2E", "key ***"),
        ],
    )
    def test_tell_no_value(self, text: str, shown: str) -> None:
        assert told(ValueError(text)) == f"ValueError: {shown}"

    def test_causes_and_groups_are_told_the_same_way(self) -> None:
        empty: dict[str, str] = {}

        def fail() -> None:
            try:
                empty["Siti Rahmawati"]
            except KeyError as error:
                raise ExceptionGroup("two", [ValueError("'Siti'"), LookupError("\n    Siti")]) from error

        with pytest.raises(ExceptionGroup) as failed:
            fail()
        text = traced(failed.value)
        assert text.count("in fail") == 2
        for line in ("KeyError: ***", "ExceptionGroup: two (2 sub-exceptions)", "ValueError: ***", "LookupError"):
            assert line in text.splitlines()
        assert "Siti" not in "".join(line for line in text.splitlines() if not line.startswith("    "))

    def test_an_error_that_causes_itself_ends(self) -> None:
        first, second = ValueError("a"), ValueError("b")
        first.__cause__, second.__cause__ = second, first
        assert traced(first).splitlines() == ["ValueError: b", "", "which led to", "", "ValueError: a"]

    def test_no_error_is_no_traceback(self, capsys: pytest.CaptureFixture[str]) -> None:
        structlog.get_logger("gateway").error("nothing", exc_info=True)
        logging.getLogger("gateway").error("nothing", exc_info=True)  # noqa: LOG014 - this is what is tried.
        assert [line["event"] for line in lines(capsys)] == ["nothing", "nothing"]
