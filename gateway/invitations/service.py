"""The mail of an invitation, and its acceptance."""

from typing import Final

import structlog

from gateway.api_keys.errors import AddressNotConfirmed
from gateway.identity.accounts.errors import InvalidToken
from gateway.identity.accounts.service import get_user
from gateway.identity.mails.domain import Mail, link
from gateway.identity.mails.repository import MailRequested
from gateway.identity.secret_tokens import hash_of, new_secret
from gateway.invitations import repository
from gateway.invitations.repository import ORDERS, VENDORS
from gateway.invitations.schemas import InvitationAccepted
from ishop.auth import Principal
from ishop.routing import Session

log = structlog.get_logger(__name__)

SERVICE_OF: Final = {"vendor_invitation": VENDORS, "organization_invitation": ORDERS}
"""The kinds of mail; the subject of each is the invitation."""

SUBJECT: Final = "Undangan dari {party} di i-Shop / An invitation from {party} at i-Shop"
# Nobody knows which language the reader speaks: the address may be a stranger's.
BODY: Final = """Anda diundang menjadi anggota {party} di i-Shop ({role}). Masuk atau daftar dengan alamat surel ini,
konfirmasikan alamatnya, lalu buka tautan ini dalam tujuh hari:

{link}

Jika Anda tidak mengenal pengirimnya, abaikan saja surel ini.

--

You are invited to be a member of {party} at i-Shop ({role}). Sign in or register with this e-mail address, confirm it,
and open the link above within seven days. If you do not know who invites you, there is nothing that you need to do.
"""


async def write_mail(session: Session, wanted: MailRequested, public_url: str) -> Mail | None:
    """The mail that brings the token; none where the invitation is not open any more."""
    service, invitation = SERVICE_OF[wanted.kind], wanted.subject_id
    found = None if invitation is None else await repository.get_open(session, service, invitation)
    if invitation is None or found is None:
        return None
    token = new_secret()
    await repository.set_token(session, service, invitation, hash_of(token))
    address = link(public_url, "invitation", token)
    party = " ".join(found["party_name"].split())
    return Mail(found["email"], SUBJECT.format(party=party), BODY.format(party=party, role=found["role"], link=address))


async def accept(session: Session, caller: Principal, token: str) -> InvitationAccepted:
    """Make the caller a member. Raises AddressNotConfirmed, and InvalidToken for whatever else does not fit."""
    account = await get_user(session, caller.id)
    if not account.confirmed:
        raise AddressNotConfirmed
    for service in (VENDORS, ORDERS):
        accepted = await repository.accept(session, service, hash_of(token), account.id, account.email)
        if accepted is not None:
            party, role = accepted
            log.info("an invitation was accepted", principal=str(caller.id), party=str(party), role=role)
            return InvitationAccepted(
                vendor_id=party if service == VENDORS else None,
                organization_id=party if service == ORDERS else None,
                role=role,
            )
    raise InvalidToken
