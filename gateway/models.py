"""All tables of the gateway, so that the migrations see them."""

from gateway.api_keys.models import ApiKey, ServiceAccount
from gateway.identity.accounts.models import OneTimeToken, User
from gateway.identity.mails.models import MailboxMail, MailRequest
from gateway.identity.sessions.models import RefreshToken

__all__ = ["ApiKey", "MailRequest", "MailboxMail", "OneTimeToken", "RefreshToken", "ServiceAccount", "User"]
