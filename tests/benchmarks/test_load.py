"""The load generator: reads answers to their end, counts them, and refuses to measure the wrong ones."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import repeat

import orjson
import pytest

from benchmarks.load import Burst, LoadFailed, http_request, send

GET = http_request("GET", "/")
PLAIN = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


@asynccontextmanager
async def answering(*pieces: bytes) -> AsyncIterator[int]:
    """A server on a free port that answers every request with these pieces, each sent by itself."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.001)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


class TestBurst:
    def test_rate_and_percentiles_are_of_the_requests(self) -> None:
        burst = Burst(tuple(number / 1000 for number in range(1, 102)), 2.0, 0.5)
        assert burst.rate == 50.5
        assert burst.median_ms == 51
        assert burst.p95_ms == pytest.approx(96)
        assert burst.generator_share == 0.25

    def test_one_request_has_its_own_time_as_every_percentile(self) -> None:
        burst = Burst((0.25,), 0.25, 0.0)
        assert (burst.median_ms, burst.p95_ms) == (250, 250)


class TestRequest:
    def test_body_is_json_with_its_length(self) -> None:
        request = http_request("POST", "/v1/orders", token="t", headers={"Idempotency-Key": "k"}, body={"a": [1]})
        head, _, body = request.partition(b"\r\n\r\n")
        assert orjson.loads(body) == {"a": [1]}
        assert head.split(b"\r\n") == [
            b"POST /v1/orders HTTP/1.1",
            b"Host: 127.0.0.1",
            b"Accept: application/json",
            b"Idempotency-Key: k",
            b"Authorization: Bearer t",
            b"Content-Type: application/json",
            b"Content-Length: 9",
        ]


class TestSend:
    async def test_counts_every_answer_when_they_come_in_pieces(self) -> None:
        async with answering(PLAIN[:20], PLAIN[20:41], PLAIN[41:]) as port:
            burst = await send(port, repeat(GET), connections=3, count=10)
        assert len(burst.latencies) == 10
        assert all(latency >= 0.001 for latency in burst.latencies)

    async def test_reads_chunked_answers_to_the_last_chunk(self) -> None:
        async with answering(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", b"lo\r\n", b"0\r\n\r\n"
        ) as port:
            burst = await send(port, repeat(GET), connections=1, count=2)
        assert all(latency >= 0.002 for latency in burst.latencies)

    async def test_stops_when_the_seconds_are_over(self) -> None:
        async with answering(PLAIN) as port:
            burst = await send(port, repeat(GET), connections=2, seconds=0.1)
        assert 0.1 <= burst.seconds < 5
        assert len(burst.latencies) > 2

    async def test_fails_when_the_status_is_another(self) -> None:
        async with answering(PLAIN) as port:
            with pytest.raises(LoadFailed, match=r"not 201: HTTP/1.1 200 OK hello"):
                await send(port, repeat(GET), connections=2, count=4, expected=201)

    async def test_fails_when_the_answer_lacks_what_it_must_hold(self) -> None:
        async with answering(PLAIN) as port:
            assert len((await send(port, repeat(GET), connections=1, count=1, holding=b"hell")).latencies) == 1
            with pytest.raises(LoadFailed, match="without b'engine'"):
                await send(port, repeat(GET), connections=1, count=1, holding=b"engine")

    async def test_fails_when_the_server_hangs_up(self) -> None:
        async with answering(b"HTTP/1.1 200 OK\r\n\r\n") as port:
            with pytest.raises(LoadFailed, match="how long"):
                await send(port, repeat(GET), connections=1, count=1)
