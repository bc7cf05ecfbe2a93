"""The market that is attacked: everybody owns something in it."""

from dataclasses import dataclass

from benchmarks.prove.scene import ANONYMOUS, CALLERS, furnish
from benchmarks.prove.scene import Scene as Furnished
from tests.markets import TestMarket


@dataclass(frozen=True)
class Scene(Furnished):
    """Who calls, and what each of them owns in `market`."""

    market: TestMarket


async def build(market: TestMarket) -> Scene:
    """Sign everybody in, and let everybody own something."""
    clients = {who: market.anonymous if who == ANONYMOUS else await market.client(who) for who in CALLERS}
    return Scene(**vars(await furnish(clients)), market=market)
