"""The catalog service: what is sold, and how it is found."""

from fastapi import FastAPI

from ishop.database import Database
from ishop.jobs import Jobs
from ishop.service import Runtime, create_service
from ishop.settings import Role
from services.catalog.products import routes as products
from services.catalog.search import jobs as search_jobs
from services.catalog.search import routes as search
from services.catalog.search.service import Search
from services.catalog.taxonomy import routes as taxonomy


def create_app(runtime: Runtime) -> FastAPI:
    """The application of the service."""
    app = create_service("catalog", Role.catalog, [products.router, search.router, taxonomy.router], runtime)
    app.state.search = Search(runtime.settings, app.state.database)
    app.state.closers.append(app.state.search.close)
    return app


def register_jobs(jobs: Jobs, runtime: Runtime, database: Database) -> None:
    """What the worker does for the catalog."""
    search_jobs.register(jobs, runtime.settings, database)
