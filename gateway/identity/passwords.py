"""Password hashes: argon2id, away from the event loop, two at once at most."""

import asyncio
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from pwdlib import PasswordHash

from gateway.admission import Lane
from ishop.heap import give_back_freed

P = ParamSpec("P")
Result = TypeVar("Result")

AT_ONCE: Final = 2
"""A hash takes 64 MiB; more of them at once would not be faster on two cores."""
LINE: Final = 32
PATIENCE: Final = 10.0

# The hash of nothing anybody knows, made with the parameters of PasswordHash.recommended(): checking against it takes
# as long as checking against the hash of a real account.
NOBODY: Final = "$argon2id$v=19$m=65536,t=3,p=4$R8XuS88hfqnzN7FRwYpPAg$2H57YN5HBkahEvulh860a7DdFh1zYKSWCaEz0nirkXs"


class Passwords:
    """Makes and checks hashes; who comes third waits without blocking anything else, or meets Overloaded."""

    def __init__(self) -> None:
        self._hasher = PasswordHash.recommended()
        self._lane = Lane(AT_ONCE, LINE, PATIENCE, "identity", "password")

    async def hash(self, password: str) -> str:
        """The hash to store."""
        async with self._lane.place():
            return await asyncio.to_thread(self._in_freed_memory, self._hasher.hash, password)

    async def verify(self, password: str, stored: str | None) -> bool:
        """Whether `password` belongs to the stored hash. Without one it is False, after the same time."""
        async with self._lane.place():
            matches = await asyncio.to_thread(self._in_freed_memory, self._hasher.verify, password, stored or NOBODY)
        return matches and stored is not None

    @staticmethod
    def _in_freed_memory(work: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
        """What `work` comes to. A process is never as large as now, so what others have freed goes back before."""
        give_back_freed()
        return work(*args, **kwargs)
