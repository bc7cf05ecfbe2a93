"""Which secrets each process needs: all that it is given in compose, and what it refuses to start without."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ishop.settings import Environment, Role, Settings, SettingsError


@dataclass(frozen=True)
class Needs:
    """The secrets of one process: the roles it signs in to the database as, what it does with tokens and mails."""

    roles: tuple[Role, ...]
    signs: bool = False
    verifies: bool = False
    mails: bool = False


SERVICE_ROLES: Final = (Role.catalog, Role.vendors, Role.orders)

PROCESSES: Final[Mapping[str, Needs]] = {
    "catalog": Needs((Role.catalog,), verifies=True),
    "vendors": Needs((Role.vendors,), verifies=True),
    "orders": Needs((Role.orders,), verifies=True),
    "gateway": Needs((Role.gateway,), signs=True),
    # A job runs as the role of the service that it belongs to, so that it may do what that service may and no more.
    "worker": Needs((Role.worker, Role.gateway, *SERVICE_ROLES), mails=True),
    # The services and the gateway in one process.
    "market": Needs((Role.gateway, *SERVICE_ROLES), signs=True),
    "up": Needs((Role.gateway, Role.worker, *SERVICE_ROLES), signs=True, mails=True),
    # It gives every role its password.
    "migrate": Needs(tuple(Role)),
}


def require(settings: Settings, process: str) -> None:
    """Refuse to start a process without its secrets; raises SettingsError with a sentence for each that is missing."""
    wrong = [f"{process}: {sentence}" for sentence in _missing(settings, PROCESSES[process])]
    if wrong:
        raise SettingsError("\n".join(wrong))


def _missing(settings: Settings, needs: Needs) -> Iterator[str]:
    for role in needs.roles:
        try:
            settings.password(role)
        except SettingsError as error:
            yield str(error)
    if settings.env is Environment.development:
        return
    if needs.signs and settings.signing_key is None:
        yield "ISHOP_SIGNING_KEY is missing: it is the private key that access tokens are signed with."
    if needs.verifies and settings.verify_keys is None and settings.signing_key is None:
        yield "ISHOP_VERIFY_KEYS is missing: they are the public keys that access tokens are checked with."
    if needs.mails and settings.mail_url is None:
        yield "ISHOP_MAIL_URL is missing: it is the SMTP server that mails leave by (smtp://user:pass@host:port)."
