"""What a mail is, how it leaves, and its texts in both languages."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlencode
from uuid import UUID

from ishop.errors import Language


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to one person."""

    recipient: str
    subject: str
    body: str


class MailClient(Protocol):
    """Where mails go. `send` returns when the mail is in the hands of whoever is next, and raises where it is not."""

    async def send(self, mail: Mail, mail_id: UUID) -> None:
        """Send `mail`; the same `mail_id` again is recognisable as the same mail."""


@dataclass(frozen=True, slots=True)
class Wording:
    """One kind of mail in one language; the body has `{name}` and, where the mail carries a link, `{link}`."""

    subject: str
    body: str

    def mail(self, recipient: str, *, name: str, link: str) -> Mail:
        """The mail for one person."""
        return Mail(recipient, self.subject, self.body.format(name=name, link=link))


def link(public_url: str, page: str, token: str | None = None) -> str:
    """The address of a page of the front end. The token stands behind the `#`, so that no server's log gets it."""
    return f"{public_url}/{page}" + (f"#{urlencode({'token': token})}" if token is not None else "")


CONFIRM: Final[Mapping[Language, Wording]] = {
    "id": Wording(
        "Konfirmasi alamat surel Anda di i-Shop",
        """Halo {name},

seseorang, semoga Anda, mendaftar di i-Shop dengan alamat surel ini. Untuk mengonfirmasinya, buka tautan ini dalam
tiga hari:

{link}

Jika bukan Anda yang mendaftar, abaikan saja surel ini.
""",
    ),
    "en": Wording(
        "Confirm your e-mail address at i-Shop",
        """Hello {name},

somebody, hopefully you, registered at i-Shop with this e-mail address. To confirm it, open this link within three
days:

{link}

If it was not you, there is nothing that you need to do.
""",
    ),
}

HAS_ACCOUNT: Final[Mapping[Language, Wording]] = {
    "id": Wording(
        "Anda sudah punya akun i-Shop",
        """Halo {name},

seseorang, mungkin Anda, mendaftar di i-Shop dengan alamat surel ini, tetapi Anda sudah punya akun. Masuk saja dengan
akun itu. Jika lupa kata sandinya, buat yang baru di sini:

{link}

Jika bukan Anda yang mendaftar, abaikan saja surel ini: akun Anda tidak berubah.
""",
    ),
    "en": Wording(
        "You have an account at i-Shop already",
        """Hello {name},

somebody, perhaps you, registered at i-Shop with this e-mail address, but you have an account already. Sign in with that
one. If you do not remember its password, choose a new one here:

{link}

If it was not you, there is nothing that you need to do: your account is as it was.
""",
    ),
}

RESET: Final[Mapping[Language, Wording]] = {
    "id": Wording(
        "Kata sandi baru untuk i-Shop",
        """Halo {name},

seseorang, semoga Anda, meminta kata sandi baru untuk akun i-Shop Anda. Buka tautan ini dalam satu jam untuk memilihnya:

{link}

Jika bukan Anda yang meminta, abaikan saja surel ini: kata sandi Anda tetap berlaku.
""",
    ),
    "en": Wording(
        "A new password for i-Shop",
        """Hello {name},

somebody, hopefully you, asked for a new password for your account at i-Shop. Open this link within one hour to choose
it:

{link}

If it was not you, there is nothing that you need to do: your password stays as it is.
""",
    ),
}
