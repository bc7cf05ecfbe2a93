"""The way to a service over HTTP, to the byte: what is passed on, what is sent again, what happens when it fails."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.types import Message

from gateway.circuit_breaker import FAILURES_IN_A_ROW, OPEN_SECONDS, CircuitBreaker
from gateway.over_http import CONNECTIONS, OverHttp
from ishop.errors import DeadlineExceeded, Unavailable
from tests.gateway.wire import EMPTY, Caller, Reply, WireService, answers, breaks_off, says_nothing

LARGE = 64 * 1024 * 1024
"""More than all buffers on the way hold together."""


@asynccontextmanager
async def reaching(url: str, seconds: float = 5) -> AsyncIterator[OverHttp]:
    upstream = OverHttp("things", url, seconds)
    try:
        yield upstream
    finally:
        await upstream.close()


@asynccontextmanager
async def before(reply: Reply, seconds: float = 5) -> AsyncIterator[tuple[WireService, OverHttp]]:
    async with WireService(reply).open() as service, reaching(service.url, seconds) as upstream:
        yield service, upstream


class TestRequest:
    @pytest.mark.parametrize(
        ("path", "query"),
        [
            (b"/v1/a%2Fb", b"q=%41&r=a+b"),
            (b"/v1/%7e~", b"q=a%20b&&x=?/"),
            (b"/v1//a/../b;c=1", b"%zz"),
            (b"/v1/a", b"q=\"<>|{}'"),
        ],
    )
    async def test_target_is_passed_as_it_was_sent(self, path: bytes, query: bytes) -> None:
        async with before(answers(EMPTY)) as (service, upstream):
            await Caller(path=path, query=query).call(upstream)
        assert service.heads[0].split(b"\r\n")[0] == b"GET " + path + b"?" + query + b" HTTP/1.1"

    async def test_fields_are_passed_and_none_is_added(self) -> None:
        headers = [
            (b"host", b"market.test"), (b"accept-language", b"id"), (b"if-match", b'"1"'), (b"if-match", b'"2"'),
            (b"x-request-timeout-ms", b"30000"), (b"idempotency-key", "kunci-é".encode()),
        ]  # fmt: skip
        async with before(answers(EMPTY)) as (service, upstream):
            await Caller(headers=headers).call(upstream)
        sent = [line.split(b": ", 1) for line in service.heads[0].split(b"\r\n")[1:-2]]
        assert sorted((name.lower(), value) for name, value in sent) == sorted(headers)

    @pytest.mark.parametrize(
        ("parts", "headers", "wire"),
        [
            ([b"in one piece"], [], b"in one piece"),
            ([b"in ", b"parts"], [(b"content-length", b"8")], b"in parts"),
            ([b"in ", b"parts"], [], b"3\r\nin \r\n5\r\nparts\r\n0\r\n\r\n"),
        ],
    )
    async def test_body_arrives(self, parts: list[bytes], headers: list[tuple[bytes, bytes]], wire: bytes) -> None:
        bodies = []

        async def read(_head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            bodies.append(await reader.readexactly(len(wire)))
            writer.write(EMPTY)

        async with before(read) as (_, upstream):
            await Caller("POST", parts=parts, headers=headers).call(upstream)
        assert bodies == [wire]

    async def test_body_is_read_no_faster_than_the_service_takes_it(self) -> None:
        reads = asyncio.Event()

        async def slow(_head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reads.wait()
            while not (await reader.read(2**20)).endswith(b"0\r\n\r\n"):
                pass
            writer.write(EMPTY)

        caller = Caller("POST", parts=[bytes(2**20)] * (LARGE // 2**20))
        async with before(slow) as (service, upstream):
            calling = asyncio.create_task(caller.call(upstream))
            await service.asked()
            given = -1
            while given != caller.given:
                given = caller.given
                await asyncio.sleep(0.1)
            assert given < len(caller.parts)
            reads.set()
            await calling
        assert (caller.status, caller.given) == (200, len(caller.parts))


class TestAnswer:
    async def test_fields_of_the_connection_stay_behind(self) -> None:
        answer = (
            b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nDate: now\r\n"
            b'Server: s\r\nTrailer: T\r\nTransfer-Encoding: chunked\r\nETag: "1"\r\nLink: </a>\r\nLink: </b>\r\n\r\n'
            b"2\r\n{}\r\n0\r\n\r\n"
        )
        async with before(answers(answer)) as (_, upstream):
            caller = await Caller().call(upstream)
        assert caller.messages[0]["headers"] == [(b"etag", b'"1"'), (b"link", b"</a>"), (b"link", b"</b>")]
        assert caller.body == b"{}"
        assert not caller.messages[-1]["more_body"]

    async def test_nothing_is_decoded_followed_or_remembered(self) -> None:
        packed = gzip.compress(b"packed")
        answer = (
            b"HTTP/1.1 302 Found\r\nLocation: /v1/elsewhere\r\nSet-Cookie: a=b\r\nContent-Encoding: gzip\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(packed), packed)
        )
        async with before(answers(answer)) as (service, upstream):
            first = await Caller().call(upstream)
            await Caller().call(upstream)
        assert (first.status, first.body) == (302, packed)
        assert first.fields[b"set-cookie"] == b"a=b"
        assert len(service.heads) == 2
        assert b"ookie" not in service.heads[1]
        assert service.connections == 1

    @pytest.mark.parametrize(
        ("method", "answer"),
        [
            ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
            ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
            ("GET", b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\nContent-Length: 1000\r\n\r\n'),
        ],
    )
    async def test_without_a_body_ends_at_once(self, method: str, answer: bytes) -> None:
        async with before(answers(answer)) as (service, upstream):
            first = await Caller(method).call(upstream)
            second = await Caller(method).call(upstream)
        assert first.body == second.body == b""
        assert first.status == second.status == int(answer[9:12])
        assert service.connections == 1

    async def test_is_read_no_faster_than_the_caller_takes_it(self) -> None:
        written = 0

        async def much(_head: bytes, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal written
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE)
            while written < LARGE:
                writer.write(bytes(2**20))
                await writer.drain()
                written += 2**20

        caller = Caller()
        async with before(much) as (service, upstream):
            caller.takes.clear()
            calling = asyncio.create_task(caller.call(upstream))
            await service.asked()
            seen = -1
            while seen != written:
                seen = written
                await asyncio.sleep(0.1)
            assert seen < LARGE
            caller.takes.set()
            await calling
        assert len(caller.body) == LARGE

    async def test_is_broken_off_where_the_service_breaks_off(self) -> None:
        async with before(breaks_off(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")) as (_, upstream):
            caller = Caller()
            with pytest.raises(Exception, match=r"not enough data|Response payload is not completed"):
                await caller.call(upstream)
        assert caller.messages[-1]["more_body"]


class TestConnections:
    async def test_are_used_again(self) -> None:
        async with before(answers(EMPTY)) as (service, upstream):
            for _ in range(20):
                await Caller().call(upstream)
        assert service.connections == 1

    async def test_are_bounded(self) -> None:
        go_on = asyncio.Event()

        async def wait(_head: bytes, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await go_on.wait()
            writer.write(EMPTY)

        async with before(wait) as (service, upstream):
            callers = [asyncio.create_task(Caller().call(upstream)) for _ in range(CONNECTIONS + 50)]
            await service.asked(CONNECTIONS)
            await asyncio.sleep(0.1)
            assert service.connections == CONNECTIONS
            go_on.set()
            await asyncio.gather(*callers)
        assert (len(service.heads), service.connections) == (CONNECTIONS + 50, CONNECTIONS)

    async def test_ends_when_the_caller_hangs_up(self) -> None:
        hung_up = asyncio.Event()

        async def notice(_head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert await reader.read() == b""
            hung_up.set()
            writer.close()

        async with before(notice) as (service, upstream):
            caller = Caller()
            calling = asyncio.create_task(caller.call(upstream))
            await service.asked()
            caller.gone.set()
            await calling
            async with asyncio.timeout(5):
                await hung_up.wait()
        assert caller.status == 499

    async def test_ends_when_the_caller_hangs_up_in_the_middle_of_its_body(self) -> None:
        arrived: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def read(_head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            arrived.set_result(await reader.read())
            writer.close()

        class HangsUp(Caller):
            async def _receive(self) -> Message:
                self.given += 1
                return (
                    {"type": "http.request", "body": b"half", "more_body": True}
                    if self.given < 3
                    else {"type": "http.disconnect"}
                )

        async with before(read) as (_, upstream):
            caller = await HangsUp("POST").call(upstream)
            assert b"0\r\n\r\n" not in await arrived
        assert caller.status == 499


class TestSendingAgain:
    async def test_once_when_a_read_was_not_answered(self) -> None:
        async def second_time(_head: bytes, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if len(service.heads) == 1:
                await asyncio.sleep(0.05)
                writer.close()
            else:
                writer.write(EMPTY)

        async with before(second_time) as (service, upstream):
            caller = await Caller(headers=[(b"x-request-timeout-ms", b"5000")]).call(upstream)
        assert caller.status == 200
        left = [int(head.lower().split(b"x-request-timeout-ms: ")[1].split(b"\r\n")[0]) for head in service.heads]
        assert left[0] == 5000
        assert 0 < left[1] <= 4950

    async def test_not_twice(self) -> None:
        async with before(breaks_off()) as (service, upstream):
            with pytest.raises(Unavailable):
                await Caller().call(upstream)
        assert len(service.heads) == 2

    @pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
    async def test_never_when_it_may_change_something(self, method: str) -> None:
        async with before(breaks_off()) as (service, upstream):
            with pytest.raises(Unavailable):
                await Caller(method).call(upstream)
        assert len(service.heads) == 1

    async def test_never_when_an_answer_had_begun(self) -> None:
        async with before(breaks_off(b"HTTP/1.1 200")) as (service, upstream):
            with pytest.raises(Unavailable):
                await Caller().call(upstream)
        assert len(service.heads) == 1

    async def test_never_when_it_was_no_http(self) -> None:
        async with before(answers(b"SSH-2.0-OpenSSH\r\n\r\n")) as (service, upstream):
            with pytest.raises(Unavailable):
                await Caller().call(upstream)
        assert len(service.heads) == 1


class TestDeadline:
    async def test_exceeded_when_the_service_says_nothing(self) -> None:
        async with before(says_nothing, seconds=0.1) as (_, upstream):
            with pytest.raises(DeadlineExceeded):
                await Caller("POST").call(upstream)

    async def test_opens_the_circuit_when_the_service_hangs_and_not_when_callers_do(self) -> None:
        async with before(says_nothing, seconds=0.1) as (service, upstream):

            async def hang(caller: Caller) -> None:
                with pytest.raises(DeadlineExceeded):
                    await caller.call(upstream)

            class Dawdler(Caller):
                async def _receive(self) -> Message:
                    self.given += 1
                    if self.given > 1:
                        await asyncio.sleep(60)
                    return {"type": "http.request", "body": b"half", "more_body": True}

            await asyncio.gather(*(hang(Dawdler("POST")) for _ in range(FAILURES_IN_A_ROW)))
            assert len(service.heads) == FAILURES_IN_A_ROW
            await asyncio.gather(*(hang(Caller()) for _ in range(FAILURES_IN_A_ROW)))
            with pytest.raises(Unavailable):
                await Caller().call(upstream)
        assert len(service.heads) == 2 * FAILURES_IN_A_ROW


class TestCircuit:
    async def test_opens_closes_and_leaves_other_services_alone(self) -> None:
        async with WireService(answers(EMPTY)).open() as service:
            port = service.port
        async with reaching(f"http://127.0.0.1:{port}") as upstream, before(answers(EMPTY)) as (_, other):
            for _ in range(FAILURES_IN_A_ROW):
                with pytest.raises(Unavailable) as refused:
                    await Caller().call(upstream)
            assert refused.value.headers == {"Retry-After": "1"}
            async with service.open(port):
                with pytest.raises(Unavailable):
                    await Caller().call(upstream)
                assert service.heads == []
                assert (await Caller().call(other)).status == 200
                await asyncio.sleep(OPEN_SECONDS)
                assert (await Caller().call(upstream)).status == 200
                assert (await Caller().call(upstream)).status == 200

    def test_lets_one_probe_a_second_through_while_half_open(self) -> None:
        now = 0.0
        breaker = CircuitBreaker("things", lambda: now)

        def let_through() -> bool:
            try:
                breaker.admit()
            except Unavailable:
                return False
            return True

        for _ in range(FAILURES_IN_A_ROW):
            assert let_through()
            breaker.failed()
        assert not let_through()
        now += OPEN_SECONDS
        assert [let_through(), let_through()] == [True, False]
        breaker.failed()
        assert not let_through()
        now += OPEN_SECONDS
        assert let_through()
        breaker.answered()
        assert [let_through(), let_through()] == [True, True]

    def test_stays_closed_when_failures_are_not_in_a_row(self) -> None:
        breaker = CircuitBreaker("things")
        for _ in range(3 * FAILURES_IN_A_ROW):
            breaker.admit()
            breaker.failed()
            breaker.answered()
        breaker.admit()


class TestDocument:
    async def test_unavailable_while_the_service_is_and_then_its_own(self) -> None:
        found = b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"paths":{}}'
        async with WireService(answers(found)).open() as service:
            port = service.port
        async with reaching(f"http://127.0.0.1:{port}") as upstream:
            with pytest.raises(Unavailable):
                await upstream.document()
            async with service.open(port):
                assert await upstream.document() == {"paths": {}}
        assert service.heads[0].startswith(b"GET /internal/openapi.json ")
