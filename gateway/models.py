"""All tables of the gateway, so that the migrations see them."""

from gateway.identity.models import RefreshToken, User

__all__ = ["RefreshToken", "User"]
