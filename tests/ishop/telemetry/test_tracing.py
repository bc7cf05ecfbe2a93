"""Traces: one of an order, from the door to its statements and to the job that it causes, in both ways to run."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from httpx import ASGITransport, AsyncClient
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from opentelemetry.trace import StatusCode

from gateway.app import OverHttp, create_gateway
from ishop.market import SERVICES
from ishop.service import Runtime
from ishop.settings import SettingsError
from ishop.telemetry import tracing
from ishop.telemetry.spans import Tracer, provider_of
from ishop.up import serve
from tests.databases import Cluster, TestDatabase
from tests.e2e.processes import free_port
from tests.gateway import probes
from tests.gateway.doors import open_door
from tests.ishop.commands import answered, reaching, running
from tests.markets import BASE_URL, TestMarket, running_market

BUYER = "consumer@demo.test"
CLIENTS_TRACE = "0af7651916cd43dd8448eb211c80319c"
PERSON = {"name": "Siti Rahmawati", "phone": "081234567890", "address": "Jl. Pejanggik 1"}


class Traces:
    """The spans that ended."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        return self._exporter.get_finished_spans()

    def clear(self) -> None:
        self._exporter.clear()

    def named(self, beginning: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name.startswith(beginning)]

    def below(self, above: ReadableSpan) -> list[ReadableSpan]:
        return [span for span in self.spans if span.parent and span.parent.span_id == above.context.span_id]


@contextmanager
def collected(sampler: Sampler) -> Iterator[Traces]:
    exporter = InMemorySpanExporter()
    provider: TracerProvider = provider_of("test", sampler)
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    @contextmanager
    def made() -> Iterator[Tracer]:
        yield Tracer(provider)
        provider.shutdown()

    with tracing.using(made()):
        yield Traces(exporter)


@pytest.fixture
def traces() -> Iterator[Traces]:
    with collected(ALWAYS_ON) as found:
        yield found


@pytest.fixture
async def traced_market(traces: Traces, cluster: Cluster, market_template: TestDatabase) -> AsyncIterator[TestMarket]:
    """A market that was put together while traces are wanted."""
    assert tracing.tracer is not None, traces
    async with cluster.clone(market_template) as clone, running_market(clone) as market:
        yield market


@asynccontextmanager
async def over_http(market: TestMarket) -> AsyncIterator[AsyncClient]:
    """A door before the services of `market`, each behind a socket of its own."""
    runtime, stop = Runtime.of(market.settings), asyncio.Event()
    services = {name: market.market.services[name] for name in SERVICES}
    from_outside = {"identity": market.market.gateway._upstreams["identity"]}  # type: ignore[attr-defined] # noqa: SLF001
    async with AsyncExitStack() as stack:
        for name, app in services.items():
            door = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            ready = asyncio.Event()
            serving = asyncio.create_task(serve(app, door, stop, market.settings, ready=ready.set))
            stack.push_async_callback(asyncio.wait, [serving])
            await ready.wait()
            upstream = OverHttp(name, f"http://127.0.0.1:{door.getsockname()[1]}", 30)
            stack.push_async_callback(upstream.close)
            from_outside[name] = upstream
        stack.callback(stop.set)
        gateway = create_gateway(runtime, from_outside)
        yield await stack.enter_async_context(AsyncClient(transport=ASGITransport(gateway), base_url=BASE_URL))


def text_of(statement: ReadableSpan) -> str:
    """The text of a statement."""
    return str((statement.attributes or {})["db.query.text"])


async def buy_all(client: AsyncClient, headers: dict[str, str]) -> httpx.Response:
    """Order all there is of something, so that a job follows: it is sold out."""
    for hit in (await client.get("/v1/search/products?q=gula&in_stock=true&per_page=50")).json()["hits"]:
        product = (await client.get(f"/v1/products/{hit['id']}")).json()
        for sku in product["skus"]:
            quantity = sku["available"]
            if quantity and quantity >= sku["min_quantity"] and quantity % sku["order_multiple"] == 0:
                order = {
                    "lines": [{"sku_id": sku["id"], "quantity": quantity}],
                    "payment_method": "cod",
                    "ship_to": {**PERSON, "region_code": "52.71", "postal_code": "83121"},
                }
                key = {"Idempotency-Key": str(uuid4())}
                return await client.post("/v1/orders", json=order, headers={**key, **headers})
    raise AssertionError("nothing can be sold out")


class TestOrder:
    @pytest.mark.parametrize("mode", ["in process", "over http"])
    async def test_is_one_trace_from_the_door_to_the_job(
        self, traced_market: TestMarket, traces: Traces, mode: str
    ) -> None:
        buyer = await traced_market.client(BUYER)
        async with AsyncExitStack() as stack:
            ask = buyer
            if mode == "over http":
                ask = await stack.enter_async_context(over_http(traced_market))
            answer = await buy_all(ask, dict(buyer.headers))
        assert answer.status_code == 201, answer.text
        await traced_market.work()

        request = next(span for span in traces.named("POST /v1/orders"))
        assert request.parent is None
        assert f"{request.context.trace_id:032x}" == answer.headers["x-request-id"]
        assert request.attributes == {
            "ishop.request_id": answer.headers["x-request-id"],
            "http.request.method": "POST",
            "http.route": "/v1/orders",
            "http.response.status_code": 201,
        }
        below = traces.below(request)
        indexing, job, service = sorted(below, key=lambda span: span.name)
        assert indexing.name == "job catalog.product_changed.v1"
        assert job.name == "job vendors.stock_availability_changed.v1"
        assert service.name == "orders place"
        # The keys that tokens are checked with may be due for a look, over the database of any service of the process.
        statements = [span for span in traces.below(service) if "verify_keys" not in text_of(span)]
        assert {span.name for span in statements} == {"WITH orders", "SELECT orders"}
        assert any("orders.place_v1" in text_of(span) for span in statements)
        assert {span.name.split()[1] for span in traces.below(job)} == {"catalog"}
        assert {span.context.trace_id for span in (request, *below, *statements)} == {request.context.trace_id}

    async def test_holds_no_person_and_no_value(self, traced_market: TestMarket, traces: Traces) -> None:
        answer = await buy_all(
            await traced_market.client(BUYER), {"traceparent": f"00-{CLIENTS_TRACE}-00f067aa0ba902b7-01"}
        )
        assert answer.status_code == 201
        told = " ".join(span.to_json() for span in traces.spans)
        order = answer.json()
        for value in (*PERSON.values(), BUYER, order["id"], order["number"], order["lines"][0]["sku_id"]):
            assert value not in told


class TestDoor:
    async def test_the_callers_trace_is_linked_and_not_joined(self, traced_market: TestMarket, traces: Traces) -> None:
        headers = {"traceparent": f"00-{CLIENTS_TRACE}-00f067aa0ba902b7-01", "tracestate": "a=b", "baggage": "who=me"}
        await traced_market.anonymous.get("/v1/categories", headers=headers)
        [request] = traces.named("GET /v1/categories")
        assert request.parent is None
        assert f"{request.context.trace_id:032x}" != CLIENTS_TRACE
        assert [f"{link.context.trace_id:032x}" for link in request.links] == [CLIENTS_TRACE]
        assert all(f"{span.context.trace_id:032x}" != CLIENTS_TRACE for span in traces.spans)

    async def test_a_malformed_trace_is_no_reason_to_refuse(self, traced_market: TestMarket, traces: Traces) -> None:
        answer = await traced_market.anonymous.get("/v1/categories", headers={"traceparent": "00-zz-yy-xx"})
        assert answer.status_code == 200
        assert traces.named("GET /v1/categories")[0].links == ()

    async def test_an_id_of_the_callers_names_the_request_but_not_the_trace(
        self, traced_market: TestMarket, traces: Traces
    ) -> None:
        for _ in range(2):
            await traced_market.anonymous.get("/v1/categories", headers={"X-Request-Id": "f" * 32})
        first, second = traces.named("GET /v1/categories")
        assert (first.attributes or {})["ishop.request_id"] == "f" * 32
        assert len({f"{first.context.trace_id:032x}", f"{second.context.trace_id:032x}", "f" * 32}) == 3

    async def test_a_path_or_method_of_the_callers_is_in_no_span(
        self, traced_market: TestMarket, traces: Traces
    ) -> None:
        await traced_market.anonymous.request("SECRETMETHOD", "/secret-path/x?secret=1")
        [span] = traces.spans
        assert span.name == "other unmatched"
        assert "secret" not in span.to_json().lower()

    async def test_an_expected_failure_is_an_answer(self, traced_market: TestMarket, traces: Traces) -> None:
        await traced_market.anonymous.get(f"/v1/products/{uuid4()}")
        [service] = traces.named("products ")
        assert (service.attributes or {})["http.response.status_code"] == 404
        assert service.status.status_code is StatusCode.UNSET


class TestWork:
    async def test_a_failed_statement_tells_its_class_and_not_its_text(
        self, traced_market: TestMarket, traces: Traces
    ) -> None:
        await traced_market.execute("ALTER TABLE catalog.categories RENAME TO away")
        assert (await traced_market.anonymous.get("/v1/categories")).status_code == 500
        [failed] = [span for span in traces.spans if span.name.endswith(" catalog") and not span.status.is_ok]
        assert failed.status.description == "UndefinedTableError"
        assert failed.events == ()

    async def test_what_no_request_asked_for_makes_no_trace(self, traced_market: TestMarket, traces: Traces) -> None:
        await traced_market.anonymous.get("/readyz")
        traces.clear()
        await traced_market.market.services["catalog"].state.database.is_migrated()
        assert traces.spans == ()

    async def test_nothing_is_kept_where_the_sampler_says_no(
        self, cluster: Cluster, market_template: TestDatabase
    ) -> None:
        with collected(ALWAYS_OFF) as traces:
            async with cluster.clone(market_template) as clone, running_market(clone) as market:
                answer = await buy_all(await market.client(BUYER), {})
                await market.work()
        assert answer.status_code == 201
        assert traces.spans == ()


class TestOff:
    async def test_no_tracer_and_no_listener(self, market: TestMarket) -> None:
        assert tracing.tracer is None
        engine = market.market.services["orders"].state.database.engine.sync_engine
        assert not engine.dispatch.before_cursor_execute

    @pytest.mark.parametrize("name", ["traceparent", "tracestate", "baggage"])
    async def test_no_field_of_a_caller_reaches_a_service(self, cluster: Cluster, name: str) -> None:
        async with open_door(cluster.settings, probes.ROUTES, {probes.PROBE: probes.create_probe}) as door:
            seen = await door.client.get("/v1/seen", headers={name: f"00-{CLIENTS_TRACE}-00f067aa0ba902b7-01"})
        assert seen.status_code == 200
        assert CLIENTS_TRACE not in seen.text

    def test_a_collector_without_the_extra_is_refused_with_a_sentence(
        self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
        wanted = cluster.settings.model_copy(update={"otlp_endpoint": "http://127.0.0.1:4318"})
        with pytest.raises(SettingsError, match=r"pip install 'ishop\[telemetry\]'"), tracing.tracing(wanted, "market"):
            pass


class TestExport:
    async def test_a_process_sends_its_spans_to_the_collector(self, database: TestDatabase, tmp_path: Path) -> None:
        bodies: list[bytes] = []

        async def collect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.splitlines() if line.lower().startswith(b"content-length:"))
            bodies.append(head + await reader.readexactly(length))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            writer.close()

        collector = await asyncio.start_server(collect, "127.0.0.1", 0)
        endpoint = f"http://127.0.0.1:{collector.sockets[0].getsockname()[1]}"
        port = free_port()
        environment = {
            **reaching(database),
            "ISHOP_PORT": str(port),
            "ISHOP_METRICS_PORT": "0",
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        }
        async with running("serve", cwd=tmp_path, environment=environment) as process:
            assert (await answered(f"http://127.0.0.1:{port}/v1/categories")).status_code == 200
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
        collector.close()
        [body] = bodies
        assert body.startswith(b"POST /v1/traces ")
        for told in (b"ishop-market", b"GET /v1/categories", b"SELECT catalog"):
            assert told in body
