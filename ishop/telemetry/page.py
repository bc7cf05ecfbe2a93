"""`docs/metrics.md`, written from the figures as the code declares them, so that it cannot say anything else."""

import importlib
from collections.abc import Sequence

from ishop.market import GATEWAY, service_modules
from ishop.telemetry.metrics import FIGURES, Figure

HEAD = """# Figures

Every process shows its figures to Prometheus at `/metrics` on a port of its own: ISHOP_METRICS_HOST (127.0.0.1) and
ISHOP_METRICS_PORT (ISHOP_PORT and 1000; 0 for none). They are never behind the public door; why is in
[ADR 11](adr/0011-telemetry.md). A process shows what it does: the gateway the requests, the worker the jobs and what
the database says of them, all of them their pools. What alarms on them is `deploy/alerts.yml`, what to do then is in
[the runbooks](runbooks.md).

This page is written by `ishop metrics --write docs/metrics.md`; a test holds it to the code.

| figure | kind | labels | meaning |
|---|---|---|---|
"""


def figures() -> Sequence[Figure]:
    """What the kernel, the gateway and every service declare."""
    service_modules()
    importlib.import_module(GATEWAY)
    return sorted(FIGURES, key=lambda figure: figure.name)


def page() -> str:
    """The text of the page."""
    rows = [
        f"| `{figure.name}` | {figure.kind} | {', '.join(f'`{label}`' for label in figure.labels)} | {figure.text} |\n"
        for figure in figures()
    ]
    return HEAD + "".join(rows)
