"""`ishop demo` against a market behind a real socket, again and again, and against none."""

import socket

import pytest

from demo.scenario import ScenarioFailed, play
from tests.markets import TestMarket
from tests.modes import MODES, served


@pytest.mark.parametrize("market", MODES, indirect=True)
async def test_the_scenario_plays_twice_and_leaves_the_market_healthy(market: TestMarket) -> None:
    said: list[str] = []
    async with served(market.market.gateway, market.settings) as address:
        await play(address, said.append)
        await play(address, said.append)
    story = "\n".join(said)
    assert story.count("Everything went as promised.") == 2
    assert story.count("nothing ordered twice") == 2
    assert "409 insufficient_stock" in story
    await market.work()
    assert await market.broken() == []


async def test_an_answer_that_breaks_a_promise_fails_it(market: TestMarket) -> None:
    await market.execute("UPDATE catalog.products SET status = 'suspended'")
    await market.execute("SELECT catalog.refresh_documents(array_agg(id)) FROM catalog.products")
    async with served(market.market.gateway, market.settings) as address:
        with pytest.raises(ScenarioFailed, match="'gula arn' finds aren sugar first"):
            await play(address, lambda _: None)


async def test_where_nobody_answers_it_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    with pytest.raises(ScenarioFailed, match="Start one with `make up`"):
        await play(f"http://127.0.0.1:{port}", lambda _: None)
