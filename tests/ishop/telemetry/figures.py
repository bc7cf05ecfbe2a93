"""Reads figures as Prometheus does: from the text of a scrape."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx
from prometheus_client.parser import text_string_to_metric_families

from ishop.settings import Settings
from ishop.telemetry.exposition import exposed
from ishop.telemetry.metrics import REGISTRY
from ishop.telemetry.readings import Readings
from tests.e2e.processes import free_port

Labels = frozenset[tuple[str, str]]


def value(name: str, **labels: str) -> float:
    """The value of one sample of this process now; 0 where there is none."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


def series() -> set[tuple[str, Labels]]:
    """All series of this process."""
    return {
        (sample.name, frozenset(sample.labels.items())) for family in REGISTRY.collect() for sample in family.samples
    }


class Scrape:
    """One answer of `/metrics`, parsed."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.samples: dict[tuple[str, Labels], float] = {}
        self.kinds: dict[str, str] = {}
        for family in text_string_to_metric_families(answer.text):
            self.kinds[family.name] = family.type
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in self.samples, f"{key} is there twice"
                self.samples[key] = sample.value

    def value(self, name: str, **labels: str) -> float | None:
        """The value of one sample; None where there is none."""
        return self.samples.get((name, frozenset(labels.items())))


class Port:
    """A running `/metrics`."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def get(self, path: str = "/metrics", headers: Mapping[str, str] | None = None) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.get(self.url + path, headers=headers)

    async def scrape(self) -> Scrape:
        answer = await self.get()
        assert answer.status_code == 200, answer.text
        return Scrape(answer)


@asynccontextmanager
async def shown(settings: Settings, readings: Readings | None = None) -> AsyncIterator[Port]:
    """`/metrics` of this process, at a free port."""
    port = free_port()
    async with exposed(settings.model_copy(update={"metrics_port": port}), readings):
        yield Port(f"http://127.0.0.1:{port}")
