"""The catalog service: what is sold, and how it is found."""

from fastapi import FastAPI

from ishop.database import Database
from ishop.jobs import Jobs
from ishop.service import Runtime, create_service
from ishop.settings import Role
from services.catalog.products import routes as products
from services.catalog.taxonomy import routes as taxonomy


def create_app(runtime: Runtime) -> FastAPI:
    """The application of the service."""
    return create_service("catalog", Role.catalog, [taxonomy.router, products.router], runtime)


def register_jobs(jobs: Jobs, runtime: Runtime, database: Database) -> None:
    """What the worker does for the catalog."""
