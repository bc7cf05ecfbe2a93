"""The composition root of identity: a service like the others, only that it belongs to the gateway."""

from fastapi import FastAPI

from gateway.api_keys.routes import router as api_keys
from gateway.api_keys.tokens import KeyTokens
from gateway.identity.passwords import Passwords
from gateway.identity.routes import router
from gateway.identity.service import Identity
from gateway.rate_limits import RateLimits
from ishop.auth import Signer
from ishop.service import Runtime, create_service
from ishop.settings import Role


def create_app(runtime: Runtime) -> FastAPI:
    """The service; raises ValueError without ISHOP_SIGNING_KEY, since only here tokens are made."""
    app = create_service("identity", Role.gateway, [router, api_keys], runtime)
    signer = Signer(runtime.settings)
    app.state.identity = Identity(Passwords(), signer)
    app.state.key_tokens = KeyTokens(app.state.database, signer)
    app.state.limits = RateLimits() if runtime.settings.rate_limits else None
    return app
