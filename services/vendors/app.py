"""The vendors service: the directory of producers, and the stock that they keep."""

from fastapi import FastAPI

from ishop.database import Database
from ishop.jobs import Jobs
from ishop.service import Runtime, create_service
from ishop.settings import Role
from services.vendors.directory.routes import router as directory
from services.vendors.erasure import jobs as erasure_jobs
from services.vendors.invitations.routes import router as invitations
from services.vendors.members.routes import router as members
from services.vendors.stock.routes import router as stock


def create_app(runtime: Runtime) -> FastAPI:
    """The application, as login role `ishop_vendors`."""
    return create_service("vendors", Role.vendors, [directory, members, invitations, stock], runtime)


def register_jobs(jobs: Jobs, _runtime: Runtime, database: Database) -> None:
    """Erasure of persons; what follows from a change of stock is the catalog's to do."""
    erasure_jobs.register(jobs, database)
