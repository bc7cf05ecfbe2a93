"""A whole market in one process: the services behind the gateway, and the jobs of all of them."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Final

from fastapi import FastAPI
from joserfc.jwk import KeySet
from starlette.types import ASGIApp

from ishop.auth import Verifier
from ishop.database import Database
from ishop.doctor import Check
from ishop.jobs import Jobs
from ishop.service import Runtime, close_service
from ishop.settings import Role, Settings

# Named by import string, because the kernel knows nothing above it.
SERVICES: Final[Mapping[str, str]] = {
    "catalog": "services.catalog.app",
    "vendors": "services.vendors.app",
    "orders": "services.orders.app",
}
GATEWAY: Final = "gateway.app"


@dataclass(frozen=True)
class Market:
    """The gateway is the only door; the databases of `services` (and identity) are closed with `close`."""

    settings: Settings
    services: Mapping[str, FastAPI]
    gateway: ASGIApp
    jobs: Jobs

    async def close(self) -> None:
        """Give back all connections."""
        for app in self.services.values():
            await close_service(app)


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
    jobs = Jobs()
    for name, module in modules.items():
        module.register_jobs(jobs, runtime, services[name].state.database)
    gateway = gateway_module.create_gateway(
        runtime, {name: gateway_module.InProcess(app) for name, app in services.items()}
    )
    return Market(settings, services, gateway, jobs)


def assemble_jobs(settings: Settings) -> tuple[Jobs, list[Database]]:
    """The jobs of all services, for a worker of its own; close the databases when it ends."""
    # The worker answers no request, so there is no key that it needs to trust.
    runtime = Runtime(settings, Verifier(KeySet([])))
    jobs = Jobs()
    databases = []
    for name, module in service_modules().items():
        database = Database(settings, Role[name])
        databases.append(database)
        module.register_jobs(jobs, runtime, database)
    return jobs, databases


def all_checks() -> list[Check]:
    """What `ishop doctor` looks at, over all services."""
    checks: list[Check] = []
    for path in SERVICES.values():
        checks.extend(importlib.import_module(path.removesuffix(".app") + ".checks").CHECKS)
    return checks
