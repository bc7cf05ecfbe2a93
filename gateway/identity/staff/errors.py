"""What the operator is told when accounts of the office cannot be made or changed."""

from ishop.home import StartupError


class NoSuchAccount(StartupError):
    """Nobody has confirmed this address."""

    def __init__(self, email: str) -> None:
        super().__init__(
            f"No account has confirmed the address {email}. Let its owner register and confirm it, or make one: "
            f"ishop accounts create {email}"
        )


class AccountExists(StartupError):
    """Somebody has confirmed this address already."""

    def __init__(self, email: str) -> None:
        super().__init__(f"{email} has an account already. To give it a role: ishop accounts grant {email} ROLE")


class NotAcceptable(StartupError):
    """The address, name or password is not one that an account may have."""
