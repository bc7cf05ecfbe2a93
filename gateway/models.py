"""All tables of the gateway, so that the migrations see them."""

from gateway.acting.models import ActingGrant
from gateway.api_keys.models import ApiKey, ServiceAccount
from gateway.identity.accounts.models import OneTimeToken, User
from gateway.identity.mails.models import MailboxMail, MailRequest
from gateway.identity.privacy.models import Deletion
from gateway.identity.sessions.models import KnownNetwork, RefreshToken, SignInSession
from gateway.signing_keys.models import SigningKey

__all__ = [
    "ActingGrant",
    "ApiKey",
    "Deletion",
    "KnownNetwork",
    "MailRequest",
    "MailboxMail",
    "OneTimeToken",
    "RefreshToken",
    "ServiceAccount",
    "SignInSession",
    "SigningKey",
    "User",
]
