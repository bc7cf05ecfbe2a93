"""What the gateway does to every request and answer, looked at with the probe service behind it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import aiohttp
import httpx
import orjson
import pytest
from starlette.types import Message

from ishop.auth import Principal, Signer
from ishop.logs import GATHERED_SECONDS
from ishop.settings import Environment
from tests.databases import Cluster
from tests.gateway import probes
from tests.gateway.doors import Door, open_door


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem of an answer, which must be of this status and code, and complete."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["code"] == code
    assert body["status"] == status
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


async def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The lines that went to the log since the last look, but for the test's own client's."""
    await asyncio.sleep(2 * GATHERED_SECONDS)
    lines = [orjson.loads(line) for line in capsys.readouterr().err.splitlines()]
    return [line for line in lines if line["logger"] != "httpx"]


async def chunks(count: int, size: int, sent: list[int] | None = None) -> AsyncIterator[bytes]:
    """A body of unannounced length; `sent` collects what was asked for."""
    for _ in range(count):
        if sent is not None:
            sent.append(size)
        yield b"x" * size


class TestRequestId:
    async def test_own_when_the_caller_sends_none(self, door: Door) -> None:
        first, second = await door.client.get("/v1/seen"), await door.client.get("/v1/seen")
        assert len(first.headers["x-request-id"]) == 32
        assert first.headers["x-request-id"] != second.headers["x-request-id"]
        assert first.json()["request_id"] == first.headers["x-request-id"]

    @pytest.mark.parametrize("good", ["hotel-4711-2026-0001", "0198c5b7-6f0e-7d3a-9f0e-123456789012", "f1" * 16])
    async def test_kept_when_it_is_well_formed(self, door: Door, good: str) -> None:
        answer = await door.client.get("/v1/seen", headers={"X-Request-Id": good})
        assert answer.headers.get_list("x-request-id") == [good]
        assert answer.json()["request_id"] == good

    @pytest.mark.parametrize(
        "bad",
        ["short", "x" * 65, "with space in it", "semi;colon-1234", "línea-12345",
         "081234567890", "0812-3456-7890", "5201014107900001", "nik-5201014107900001"],
    )  # fmt: skip
    async def test_replaced_when_it_is_not(self, door: Door, bad: str) -> None:
        answer = await door.client.get("/v1/seen", headers={b"X-Request-Id": bad.encode()})
        assert answer.status_code == 200
        assert len(answer.headers["x-request-id"]) == 32

    async def test_on_every_kind_of_answer(self, door: Door) -> None:
        for path in ("/v1/bug", "/v1/mine", "/nowhere", "/healthz", "/docs"):
            answer = await door.client.get(path, headers={"X-Request-Id": "followed-1"})
            assert answer.headers["x-request-id"] == "followed-1"

    async def test_does_not_mix_when_requests_run_together(self, door: Door) -> None:
        ids = [f"together-{number}" for number in range(20)]
        answers = await asyncio.gather(*(door.client.get("/v1/seen", headers={"X-Request-Id": one}) for one in ids))
        assert [answer.json()["request_id"] for answer in answers] == ids


class TestHeadersIn:
    async def test_pretended_identity_does_not_pass(self, door: Door) -> None:
        pretended = {
            "X-User": "admin",
            "X-Forwarded-For": "10.0.0.1",
            "X-Principal-Roles": "office",
            "X-HTTP-Method-Override": "DELETE",
            "X-Original-URL": "/v1/mine",
            "Forwarded": "for=10.0.0.1",
            "Remote-User": "admin",
            "Proxy-Authorization": "Basic YQ==",
            "Idempotency_Key": "underscored",
        }
        answer = await door.client.get("/v1/seen", headers=pretended)
        names = {name for name, _ in answer.json()["headers"]}
        assert not names & {name.lower() for name in pretended}
        assert {"host", "accept", "user-agent", "x-request-id"} <= names

    async def test_hop_by_hop_fields_do_not_pass(self, door: Door) -> None:
        answer = await door.client.get(
            "/v1/seen", headers={"Connection": "close, Cookie", "Cookie": "a=b", "TE": "trailers", "Keep-Alive": "5"}
        )
        names = {name for name, _ in answer.json()["headers"]}
        assert not names & {"connection", "cookie", "te", "keep-alive"}

    @pytest.mark.parametrize("name", ["Authorization", "Idempotency-Key", "Content-Type"])
    async def test_refused_when_a_single_field_is_there_twice(self, door: Door, name: str) -> None:
        answer = await door.client.get("/v1/seen", headers=[(name, "one"), (name, "two")])
        problem(answer, 400, "malformed_request")

    async def test_refused_when_length_and_transfer_encoding_disagree(self, door: Door) -> None:
        answer = await door.client.post(
            "/v1/things", content=b"{}", headers={"Transfer-Encoding": "chunked", "Content-Length": "2"}
        )
        problem(answer, 400, "malformed_request")

    @pytest.mark.parametrize("length", ["-1", "1e3", "+5", "0x10"])
    async def test_refused_when_the_length_is_no_number(self, door: Door, length: str) -> None:
        answer = await door.client.post("/v1/things", content=chunks(1, 2), headers={"Content-Length": length})
        assert answer.status_code == 400

    async def test_refused_when_there_are_too_many_or_too_long_ones(self, door: Door) -> None:
        many = await door.client.get("/v1/seen", headers=[(f"field-{number}", "1") for number in range(101)])
        problem(many, 400, "malformed_request")
        problem(await door.client.get("/v1/seen", headers={"Accept": "x" * 20_000}), 400, "malformed_request")


class TestHeadersOut:
    async def test_security_headers_on_every_kind_of_answer(self, door: Door) -> None:
        for path in ("/v1/seen", "/v1/bug", "/nowhere", "/healthz", "/docs"):
            headers = (await door.client.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert headers["referrer-policy"] == "no-referrer"
            assert "strict-transport-security" not in headers

    async def test_a_page_shares_its_window_with_no_other_origin(self, door: Door) -> None:
        assert (await door.client.get("/docs")).headers["cross-origin-opener-policy"] == "same-origin"

    async def test_strict_transport_when_not_in_development(self, cluster: Cluster) -> None:
        settings = cluster.settings.model_copy(update={"env": Environment.production})
        async with open_door(settings, probes.ROUTES, {probes.PROBE: probes.create_probe}) as door:
            answer = await door.client.get("/v1/seen")
        assert answer.headers["strict-transport-security"] == "max-age=63072000; includeSubDomains"

    async def test_private_when_the_service_says_nothing_about_caching(self, door: Door) -> None:
        assert (await door.client.get("/v1/seen")).headers["cache-control"] == "no-store"
        assert (await door.client.get("/v1/cacheable")).headers["cache-control"] == "public, max-age=60"


class TestBodyLimit:
    async def test_refused_when_more_is_announced(self, door: Door) -> None:
        body = problem(await door.client.post("/v1/things", content=b"x" * (1024 * 1024 + 1)), 413, "payload_too_large")
        assert "1048576" in body["detail"]

    async def test_accepted_when_exactly_at_the_limit(self, door: Door) -> None:
        text = "x" * (1024 * 1024 - len('{"text":""}'))
        answer = await door.client.post(
            "/v1/things", content=f'{{"text":"{text}"}}'.encode(), headers={"Content-Type": "application/json"}
        )
        assert answer.json() == {"length": len(text)}

    async def test_larger_where_the_route_says_so(self, door: Door) -> None:
        json_type = {"Content-Type": "application/json"}
        body = b'{"text":"' + b"x" * (3 * 1024 * 1024) + b'"}'
        answer = await door.client.post("/v1/large-things", content=body, headers=json_type)
        assert answer.json() == {"length": 3 * 1024 * 1024}
        too_large = b'{"text":"' + b"x" * (4 * 1024 * 1024) + b'"}'
        problem(
            await door.client.post("/v1/large-things", content=too_large, headers=json_type), 413, "payload_too_large"
        )

    @pytest.mark.parametrize("path", ["/v1/things", "/v1/uploads"])
    async def test_stops_reading_when_an_unannounced_body_is_over_it(self, door: Door, path: str) -> None:
        sent: list[int] = []
        answer = await door.client.post(
            path, content=chunks(160, 64 * 1024, sent), headers={"Content-Type": "application/json"}
        )
        problem(answer, 413, "payload_too_large")
        assert sum(sent) <= 1024 * 1024 + 2 * 64 * 1024  # of 10 MiB

    async def test_accepted_when_an_unannounced_body_is_under_it(self, door: Door) -> None:
        answer = await door.client.post("/v1/uploads", content=chunks(15, 64 * 1024))
        assert answer.json() == {"length": 15 * 64 * 1024}


class TestAddress:
    @pytest.mark.parametrize("target", ["/v1/seen/a%00b", "/v1/seen?q=%00", "/%00", "/v1/seen/a?x=1%00"])
    async def test_malformed_when_it_holds_a_nul(self, door: Door, target: str) -> None:
        problem(await door.client.get(target), 400, "malformed_request")

    async def test_not_found_when_not_in_the_table(self, door: Door) -> None:
        body = problem(await door.client.get("/v1/elsewhere"), 404, "not_found")
        assert body["detail"] == "Tidak ditemukan."

    async def test_health_of_a_service_is_not_reachable(self, door: Door) -> None:
        assert (await door.client.get("/readyz")).json()["upstreams"] == {"probe": "ok"}
        problem(await door.client.get("/v1/healthz"), 404, "not_found")

    async def test_parameters_arrive(self, door: Door) -> None:
        assert (await door.client.get("/v1/seen/gula-aren_1")).json()["name"] == "gula-aren_1"
        assert (await door.client.get("/v1/seen/a/parts/b")).json()["path"] == "/v1/seen/a/parts/b"

    async def test_method_not_allowed_when_the_path_has_others(self, door: Door) -> None:
        answer = await door.client.delete("/v1/seen")
        problem(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] == "GET, HEAD"
        assert (await door.client.get("/v1/things")).headers["allow"] == "POST"
        assert (await door.client.post("/healthz")).headers["allow"] == "GET, HEAD"

    async def test_head_is_get_without_the_body(self, door: Door) -> None:
        answer = await door.client.head("/v1/seen")
        assert answer.status_code == 200
        assert answer.content == b""
        assert int(answer.headers["content-length"]) > 0


class TestFailure:
    async def test_problem_without_reason_when_a_service_has_a_bug(self, door: Door) -> None:
        answer = await door.client.get("/v1/bug")
        problem(answer, 500, "internal_error")
        assert "secret" not in answer.text
        assert "Traceback" not in answer.text

    async def test_no_bug_when_the_caller_hangs_up(self, door: Door, capsys: pytest.CaptureFixture[str]) -> None:
        incoming: Iterator[Message] = iter(
            [{"type": "http.request", "body": b'{"text":', "more_body": True}, {"type": "http.disconnect"}]
        )
        outgoing: list[Message] = []

        async def receive() -> Message:
            return next(incoming)

        async def send(message: Message) -> None:
            outgoing.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/things",
            "query_string": b"",
            "headers": [(b"content-type", b"application/json")],
        }
        await logged(capsys)
        await door.gateway(scope, receive, send)
        assert outgoing[0]["status"] == 499
        assert [(line["event"], line["level"]) for line in await logged(capsys)] == [("request", "info")]

    async def test_broken_off_when_the_answer_has_begun(self, door: Door) -> None:
        with pytest.raises((RuntimeError, aiohttp.ClientPayloadError)):
            await door.client.get("/v1/broken-off")

    async def test_language_of_the_caller(self, door: Door) -> None:
        indonesian = await door.client.get("/nowhere", headers={"Accept-Language": "id-ID,id;q=0.9,en;q=0.5"})
        english = await door.client.get("/nowhere", headers={"Accept-Language": "en-GB,en;q=0.9,id;q=0.5"})
        assert (indonesian.json()["detail"], indonesian.headers["content-language"]) == ("Tidak ditemukan.", "id")
        assert (english.json()["detail"], english.headers["content-language"]) == ("Not found.", "en")


class TestAccessLog:
    async def test_one_line_with_the_template_and_nothing_of_the_caller(
        self, door: Door, capsys: pytest.CaptureFixture[str]
    ) -> None:
        user = uuid4()
        token = Signer.from_settings(door.runtime.settings).sign(Principal(user))
        await logged(capsys)
        answer = await door.client.get("/v1/seen/gula-aren", headers={"Authorization": f"Bearer {token}"})
        [line] = await logged(capsys)
        assert line.pop("duration_ms") > 0
        assert line.pop("timestamp")
        assert line == {
            "event": "request",
            "level": "info",
            "service": "gateway",
            "logger": "gateway.access",
            "request_id": answer.headers["x-request-id"],
            "method": "GET",
            "route": "/v1/seen/{name}",
            "status": 200,
            "principal": str(user),
        }

    async def test_no_route_when_there_is_none(self, door: Door, capsys: pytest.CaptureFixture[str]) -> None:
        await logged(capsys)
        await door.client.get("/v1/people/5201014107900001")
        await door.client.get("/healthz")
        [line] = await logged(capsys)
        assert (line["route"], line["status"], line["principal"]) == (None, 404, None)


class TestLifespan:
    async def test_writes_the_lines_that_wait_for_others(self, door: Door, capsys: pytest.CaptureFixture[str]) -> None:
        await logged(capsys)
        await door.client.get("/v1/seen")
        await door.gateway.close()
        written = [orjson.loads(line) for line in capsys.readouterr().err.splitlines()]
        assert "/v1/seen" in {line.get("route") for line in written}

    async def test_closes_what_was_opened(self, door: Door) -> None:
        closed: list[str] = []

        async def note() -> None:
            closed.append("noted")

        door.gateway.on_shutdown.append(note)
        incoming = iter(["lifespan.startup", "lifespan.shutdown"])
        outgoing: list[str] = []

        async def receive() -> Message:
            return {"type": next(incoming)}

        async def send(message: Message) -> None:
            outgoing.append(message["type"])

        await door.gateway({"type": "lifespan"}, receive, send)
        assert outgoing == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
        assert closed == ["noted"]
        assert door.gateway.on_shutdown[0].__name__ == "close"

    async def test_websockets_are_turned_away(self, door: Door) -> None:
        outgoing: list[Message] = []

        async def receive() -> Message:
            return {"type": "websocket.connect"}

        async def send(message: Message) -> None:
            outgoing.append(message)

        await door.gateway({"type": "websocket", "path": "/v1/seen", "headers": []}, receive, send)
        assert outgoing == [{"type": "websocket.close", "code": 1000}]
