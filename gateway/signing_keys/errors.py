"""What may keep a rotation from being done."""

from ishop.home import StartupError


class RotationUnderWay(StartupError):
    """A key that was made just now does not sign yet; one more would end keys too early."""

    def __init__(self) -> None:
        super().__init__("A new key is published and about to sign; try again in a minute, or use --retire-now.")
