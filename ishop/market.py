"""A whole market in one process: the services behind the gateway, and the jobs of all of them."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Final, Protocol

from fastapi import FastAPI
from joserfc.jwk import KeySet
from starlette.types import Receive, Scope, Send

from ishop.auth import Verifier
from ishop.database import Database
from ishop.doctor import Check
from ishop.home import StartupError
from ishop.jobs import Jobs
from ishop.service import Runtime
from ishop.settings import Role, Settings

# Named by import string, because the kernel knows nothing above it.
SERVICES: Final[Mapping[str, str]] = {
    "catalog": "services.catalog.app",
    "vendors": "services.vendors.app",
    "orders": "services.orders.app",
}
GATEWAY: Final = "gateway.app"
IDENTITY: Final = "gateway.identity.app"


@dataclass(frozen=True)
class Market:
    """The gateway is the only door; the databases of `services` (and identity) are closed with `close`."""

    settings: Settings
    services: Mapping[str, FastAPI]
    gateway: "Door"
    jobs: Jobs

    async def close(self) -> None:
        """Give back all connections."""
        await self.gateway.close()


class Door(Protocol):
    """The gateway as the kernel sees it: an ASGI application with what it reaches, closed with `close`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

    async def close(self) -> None:
        """Give back all connections."""


def service_modules() -> dict[str, ModuleType]:
    """The composition roots of the services, imported now."""
    return {name: importlib.import_module(path) for name, path in SERVICES.items()}


def assemble(settings: Settings) -> Market:
    """Build the services, put the gateway in front of them, and register the jobs of all."""
    runtime = Runtime.of(settings)
    gateway_module = importlib.import_module(GATEWAY)
    modules = service_modules()
    services: dict[str, FastAPI] = {name: module.create_app(runtime) for name, module in modules.items()}
    services["identity"] = gateway_module.create_identity(runtime)
    modules["identity"] = importlib.import_module(IDENTITY)
    jobs = Jobs()
    for name, module in modules.items():
        module.register_jobs(jobs, runtime, services[name].state.database)
    gateway = gateway_module.create_gateway(
        runtime, {name: gateway_module.InProcess(app) for name, app in services.items()}
    )
    return Market(settings, services, gateway, jobs)


def assemble_gateway(settings: Settings) -> Door:
    """The gateway alone, with identity in its own process and the services wherever the settings say that they are."""
    urls = {"catalog": settings.catalog_url, "vendors": settings.vendors_url, "orders": settings.orders_url}
    missing = [f"ISHOP_{name.upper()}_URL" for name, url in urls.items() if url is None]
    if missing:
        raise StartupError(f"The gateway needs to know where the services are: set {', '.join(missing)}.")
    runtime = Runtime.of(settings)
    module = importlib.import_module(GATEWAY)
    upstreams = {name: module.OverHttp(name, str(url), settings.request_seconds) for name, url in urls.items()}
    upstreams["identity"] = module.InProcess(module.create_identity(runtime))
    door: Door = module.create_gateway(runtime, upstreams)
    return door


def assemble_jobs(settings: Settings) -> tuple[Jobs, list[Database]]:
    """The jobs of all services and of identity, for a worker of its own; close the databases when it ends."""
    # The worker answers no request, so there is no key that it needs to trust.
    runtime = Runtime(settings, Verifier(KeySet([])))
    jobs = Jobs()
    databases = []
    parts = [(Role[name], module) for name, module in service_modules().items()]
    for role, module in (*parts, (Role.gateway, importlib.import_module(IDENTITY))):
        database = Database(settings, role)
        databases.append(database)
        module.register_jobs(jobs, runtime, database)
    return jobs, databases


def all_checks() -> list[Check]:
    """What `ishop doctor` looks at, over all services."""
    checks: list[Check] = []
    for path in SERVICES.values():
        checks.extend(importlib.import_module(path.removesuffix(".app") + ".checks").CHECKS)
    return checks
