"""Where the time goes: what py-spy and PostgreSQL's log say, added up."""

import os

import pytest

from benchmarks.grounds import ROOT
from benchmarks.processes import memory
from benchmarks.profile import IN_GREENLET, LOOP, summed
from benchmarks.server_time import name_of
from benchmarks.server_time import summed as summed_log

SITE = "/x/.venv/lib/python3.11/site-packages"
MAIN = "thread (0x7f): MainThread"
RUN = f"run ({ROOT}/ishop/cli/command.py:1)"
STACKS = f"""\
{MAIN};{RUN};serve ({SITE}/uvicorn/server.py:9);get ({ROOT}/services/catalog/routes.py:7) 60
{MAIN};{RUN};get ({ROOT}/services/catalog/routes.py:7);execute ({SITE}/sqlalchemy/x/y.py:7) 20
{MAIN};{RUN};serve ({SITE}/uvicorn/server.py:9) 10
{MAIN};spawned ({SITE}/sqlalchemy/x/y.py:7);send ({SITE}/asyncpg/connection.py:7) 10
thread (0x8f): ThreadPoolExecutor-0_0;wait (/usr/lib/python3.11/queue.py:7) 100
"""

LOG = """\
ishop_orders@@LOG:  duration: 0.040 ms  statement: BEGIN;
ishop_orders@@LOG:  duration: 0.500 ms  parse __asyncpg_stmt_1__: SELECT o.price
\tFROM catalog.offers_v1 o
ishop_orders@@LOG:  duration: 1.250 ms  bind __asyncpg_stmt_1__: SELECT o.price
\tFROM catalog.offers_v1 o
ishop_orders@@DETAIL:  Parameters: $1 = 'x'
ishop_orders@@LOG:  duration: 0.250 ms  execute __asyncpg_stmt_1__: SELECT o.price
\tFROM catalog.offers_v1 o
ishop_orders@@DETAIL:  Parameters: $1 = 'x'
ishop_worker@@LOG:  duration: 9.000 ms  execute __asyncpg_stmt_1__: DELETE FROM ops.outbox
ishop_orders@@LOG:  duration: 2.000 ms  statement: COMMIT;
@@LOG:  checkpoint starting: time
"""


class TestProfile:
    def test_shares_are_of_the_main_thread_alone(self) -> None:
        profile = summed(STACKS, seconds=1)
        assert profile.busy == pytest.approx(0.5)
        assert dict(profile.by_package) == {"services": 0.6, "sqlalchemy": 0.2, "uvicorn": 0.1, "asyncpg": 0.1}
        assert profile.by_function[0] == ("services.catalog.routes: get", 0.6)
        assert dict(profile.by_our_function) == {"services.catalog.routes: get": 0.8, LOOP: 0.1, IN_GREENLET: 0.1}


class TestServerTimes:
    def test_statements_of_the_role_are_divided_by_the_requests(self) -> None:
        times = {one.name: one for one in summed_log(LOG.splitlines(), "ishop_orders", requests=2)}
        assert list(times) == ["BEGIN", "catalog.offers_v1", "COMMIT"]
        offers = times["catalog.offers_v1"]
        assert (offers.sent, offers.planning_ms, offers.executing_ms, offers.ms) == (0.5, 0.875, 0.125, 1.0)
        assert times["COMMIT"].ms == 1.0

    @pytest.mark.parametrize(
        ("sql", "name"),
        [("commit;", "COMMIT"), ("SELECT x FROM ops.claim_v1($1)", "ops.claim_v1"), ("SELECT 1", "SELECT")],
    )
    def test_name_is_the_first_object_of_ours(self, sql: str, name: str) -> None:
        assert name_of(sql) == name


class TestMemory:
    def test_this_process_shares_some_of_what_it_holds(self) -> None:
        held = memory(os.getpid())
        assert 10 < held.pss <= held.rss <= held.peak
