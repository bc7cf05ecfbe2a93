"""Chance without luck: every choice follows from the seed, so that the same seed gives the same market."""

from hashlib import blake2b
from uuid import UUID

EPOCH_MILLISECONDS = 1_767_225_600_000
"""2026-01-01T00:00:00Z: demo ids are UUIDv7 from this moment on, so rows made later by PostgreSQL sort after them."""

_RANDOM_BITS = 62
_RANDOM_MASK = (1 << _RANDOM_BITS) - 1
_VERSION_AND_VARIANT = 7 << 76 | 2 << _RANDOM_BITS
_STRIDE = 0x9E3779B97F4A7C15


class Dice:
    """The choices for one thing, named by its kind and number: a hash that is used up from its low end."""

    __slots__ = ("_bits", "_identity", "_time")

    def __init__(self, seed: int, kind: str, number: int) -> None:
        digest = blake2b(f"{seed}:{kind}:{number}".encode(), digest_size=64).digest()
        bits = int.from_bytes(digest, "big")
        self._identity = bits & _RANDOM_MASK
        self._bits = bits >> _RANDOM_BITS
        self._time = (EPOCH_MILLISECONDS + number) << 80 | _VERSION_AND_VARIANT

    def pick(self, choices: int) -> int:
        """A number from 0 up to `choices` - 1; a thing has 450 bits of choices, of which this uses log2(`choices`)."""
        self._bits, picked = divmod(self._bits, choices)
        return picked

    def unit(self) -> float:
        """A number from 0 up to 1, in steps of a hundredth of a percent."""
        return self.pick(10_000) / 10_000

    def uuid(self, slot: int = 0) -> UUID:
        """The UUIDv7 of this thing, or of its part number `slot` (at most 4,095); parts sort after one another."""
        random = (self._identity + slot * _STRIDE) & _RANDOM_MASK
        return UUID(int=self._time | slot << 64 | random)
