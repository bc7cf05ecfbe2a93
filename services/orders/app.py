"""The orders service: what it serves and what it does by the clock."""

from fastapi import FastAPI

from ishop.database import Database
from ishop.jobs import Jobs
from ishop.service import Runtime, create_service
from ishop.settings import Role
from services.orders.erasure import jobs as erasure_jobs
from services.orders.fulfilment import routes as fulfilment
from services.orders.invitations import routes as invitations
from services.orders.lifecycle import jobs as lifecycle_jobs
from services.orders.lifecycle import routes as lifecycle
from services.orders.members import routes as members
from services.orders.organizations import routes as organizations
from services.orders.payments import routes as payments
from services.orders.placement import routes as placement


def create_app(runtime: Runtime) -> FastAPI:
    """The service as an application of its own. Placement comes first: `preview` is no id of an order."""
    routers = [
        placement.router,
        placement.bulk_router,
        lifecycle.router,
        lifecycle.bulk_router,
        payments.router,
        fulfilment.router,
        organizations.router,
        members.router,
        invitations.router,
    ]
    return create_service("orders", Role.orders, routers, runtime)


def register_jobs(jobs: Jobs, _runtime: Runtime, database: Database) -> None:
    """Expiry of unpaid orders, rejection of unanswered vendor orders, erasure of persons."""
    lifecycle_jobs.register(jobs, database)
    erasure_jobs.register(jobs, database)
