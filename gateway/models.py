"""All tables of the gateway, so that the migrations see them."""

from gateway.api_keys.models import ApiKey, ServiceAccount
from gateway.identity.models import RefreshToken, User

__all__ = ["ApiKey", "RefreshToken", "ServiceAccount", "User"]
