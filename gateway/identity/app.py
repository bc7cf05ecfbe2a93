"""The composition root of identity: a service like the others, only that it belongs to the gateway."""

from fastapi import FastAPI

from gateway.identity.passwords import Passwords
from gateway.identity.routes import router
from gateway.identity.service import Identity
from gateway.rate_limits import RateLimits
from ishop.auth import Signer
from ishop.service import Runtime, create_service
from ishop.settings import Role


def create_app(runtime: Runtime) -> FastAPI:
    """The service; raises ValueError without ISHOP_SIGNING_KEY, since only here tokens are made."""
    app = create_service("identity", Role.gateway, [router], runtime)
    app.state.identity = Identity(Passwords(), Signer(runtime.settings))
    app.state.limits = RateLimits() if runtime.settings.rate_limits else None
    return app
