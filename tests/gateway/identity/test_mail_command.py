"""`ishop mail` as a developer uses it, with mails that the worker of its own process would send."""

from pathlib import Path

from ishop.market import assemble_jobs
from ishop.settings import Role
from ishop.worker import drain_until_idle
from tests.databases import TestDatabase
from tests.gateway.doors import Door
from tests.gateway.identity.test_register import SARI, register
from tests.ishop.commands import ishop, reaching


async def test_says_when_there_is_none(database: TestDatabase, tmp_path: Path) -> None:
    ended = await ishop("mail", cwd=tmp_path, environment=reaching(database))
    assert (ended.code, ended.out.strip()) == (0, "No mail was sent.")


async def test_prints_the_mails_of_one_address_or_all(identity: Door, database: TestDatabase, tmp_path: Path) -> None:
    await register(identity)
    await register(identity, email="budi@example.test", name="Budi")
    jobs, databases = assemble_jobs(database.settings)
    await drain_until_idle(database.dsn(Role.worker), jobs)
    for opened in databases:
        await opened.close()
    everybody = await ishop("mail", cwd=tmp_path, environment=reaching(database))
    assert everybody.code == 0
    assert [line for line in everybody.out.splitlines() if line.startswith("To: ")] == [
        f"To: {SARI['email']}",
        "To: budi@example.test",
    ]
    assert everybody.out.count("/confirm#token=") == 2
    one = await ishop("mail", "--to", "BUDI@example.test", cwd=tmp_path, environment=reaching(database))
    assert "Halo Budi," in one.out
    assert SARI["email"] not in one.out
    nobody = await ishop("mail", "--to", "nobody@example.test", cwd=tmp_path, environment=reaching(database))
    assert nobody.out.strip() == "No mail was sent to nobody@example.test."
