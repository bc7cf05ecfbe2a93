"""The composition root of identity: a service like the others, only that it belongs to the gateway."""

from fastapi import FastAPI

from gateway.acting.routes import router as acting
from gateway.api_keys.routes import router as api_keys
from gateway.api_keys.tokens import KeyTokens
from gateway.audit_log.routes import router as audit_log
from gateway.identity.accounts import routes as accounts
from gateway.identity.mails import jobs as mail_jobs
from gateway.identity.mails.service import Post, client_of
from gateway.identity.passwords import Passwords
from gateway.identity.privacy import jobs as privacy_jobs
from gateway.identity.privacy import routes as privacy
from gateway.identity.recovery import routes as recovery
from gateway.identity.recovery import service as recovering
from gateway.identity.registration import jobs as registration_jobs
from gateway.identity.registration import routes as registration
from gateway.identity.registration import service as registering
from gateway.identity.sessions import jobs as session_jobs
from gateway.identity.sessions import routes as sessions
from gateway.identity.sessions.guessing import Guessing
from gateway.identity.sessions.service import SigningIn
from gateway.invitations.routes import router as invitations
from gateway.invitations.service import SERVICE_OF as INVITATIONS
from gateway.invitations.service import write_mail as write_invitation
from gateway.rate_limits import RateLimits
from gateway.signing_keys.ring import KeyRing
from ishop.database import Database
from ishop.jobs import Jobs
from ishop.service import Runtime, create_service
from ishop.settings import Role


def create_app(runtime: Runtime) -> FastAPI:
    """The service; raises ValueError without ISHOP_SIGNING_KEY, since only here tokens are made."""
    routers = [
        registration.router,
        recovery.router,
        privacy.router,
        sessions.router,
        accounts.router,
        api_keys,
        acting,
        invitations,
        audit_log,
    ]
    app = create_service("identity", Role.gateway, routers, runtime)
    limits = RateLimits.of(runtime.settings)
    if limits is not None:
        app.state.closers.append(limits.close)
    app.state.limits = limits
    app.state.signing_in = SigningIn(Passwords(), KeyRing(app.state.database, runtime.settings), Guessing(limits))
    app.state.key_tokens = KeyTokens(app.state.database, app.state.signing_in.signer)
    return app


def register_jobs(jobs: Jobs, runtime: Runtime, database: Database) -> None:
    """Mails, and what is forgotten by the clock."""
    settings = runtime.settings
    writers = {registering.CONFIRMATION: registering.write_mail, recovering.RESET: recovering.write_mail}
    writers |= dict.fromkeys(INVITATIONS, write_invitation)
    mail_jobs.register(jobs, Post(database, client_of(settings, database), settings.links_to, writers))
    registration_jobs.register(jobs, database)
    session_jobs.register(jobs, database)
    privacy_jobs.register(jobs, database)
