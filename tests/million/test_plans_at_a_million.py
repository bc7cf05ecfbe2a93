"""The plans of a market of a million products and a million orders, without any setting that helps them."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from httpx import AsyncClient

from benchmarks.million.markets import LARGE, fill
from demo.accounts import PASSWORD
from ishop.home import load_secrets
from ishop.postgres import EmbeddedPostgres
from ishop.settings import Settings
from tests.conftest import MILLION_MISSING
from tests.databases import TestDatabase
from tests.markets import TestMarket, running_market
from tests.million.asked import EVERYTHING, LISTS, Asked
from tests.million.plans import plan_of

pytestmark = pytest.mark.million


@pytest.fixture(scope="module")
async def large_market() -> AsyncIterator[TestMarket]:
    """The market of MILLION_HOME, seeded where there is none: `make million KEEP=...` keeps one, too."""
    if not os.environ.get("MILLION_HOME"):
        pytest.skip(MILLION_MISSING)
    home = Path(os.environ["MILLION_HOME"])
    await fill(home, LARGE, print)
    async with EmbeddedPostgres(home, progress=print) as server:
        secrets = load_secrets(home)
        settings = Settings(
            _env_file=None,
            database_host=server.host,
            database_port=server.port,
            **secrets.settings,
            signing_key=secrets.signing_key,
            rate_limits=False,
            meili_url=None,
        )
        async with running_market(TestDatabase(settings)) as market:
            yield market


async def signed_in(market: TestMarket, email: str) -> AsyncClient:
    """As `TestMarket.client`, which keeps the tokens of the markets of other tests; this one has keys of its own."""
    form = {"grant_type": "password", "username": email, "password": PASSWORD}
    answer = await market.anonymous.post("/v1/auth/token", data=form)
    return market.client_with_token(answer.json()["access_token"])


@pytest.mark.parametrize("asked", EVERYTHING, ids=lambda asked: asked.name)
async def test_nothing_is_read_that_grows_with_the_market(large_market: TestMarket, asked: Asked) -> None:
    client = await signed_in(large_market, asked.who) if asked.who else large_market.anonymous
    plan = await plan_of(large_market, asked, client)
    assert plan.statements
    assert plan.read_whole == frozenset()
    if asked not in LISTS:  # Of a filter that a tenth of the market passes, walking its sort is as good.
        assert plan.lacks(asked) == []
    assert plan.rows <= asked.reads, f"{plan.rows} rows were looked at by {plan.indexes}"
