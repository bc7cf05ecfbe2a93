"""The servers of one laptop: PostgreSQL, and Meilisearch where its program is found, with their data in ISHOP_HOME."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
from pydantic import SecretStr

from ishop import revisions
from ishop.home import Progress, Secrets, StartupError, default_home, load_secrets, take_lock
from ishop.meili_process import EmbeddedMeilisearch, find_meilisearch
from ishop.postgres import EmbeddedPostgres
from ishop.roles import bootstrap
from ishop.settings import Role, Settings


def home_of(settings: Settings, progress: Progress) -> Path:
    """ISHOP_HOME where it is set, else the place for this checkout."""
    if "home" in settings.model_fields_set:
        return settings.home.expanduser().resolve()
    return default_home(Path.cwd(), progress)


def database_is_given(settings: Settings) -> bool:
    """Whether the operator brings the database (compose, cluster), so that none is to be started here."""
    return "database_host" in settings.model_fields_set


@asynccontextmanager
async def servers(
    settings: Settings, progress: Progress, *, stop: asyncio.Event | None = None
) -> AsyncIterator[Settings]:
    """Start what the market needs, migrated to the newest revision; the settings that reach it. Stopped at the end.

    Should PostgreSQL end by itself, which it should not, that is reported and `stop` is set.
    Raises StartupError when the home is in use by another market or cannot be used.
    """
    if database_is_given(settings):
        yield settings
        return
    home = home_of(settings, progress)
    async with AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(EmbeddedPostgres(home, progress=progress))
        secrets = load_secrets(home)
        meili_port = None
        if settings.meili_url is None and find_meilisearch() is not None:
            meilisearch = await stack.enter_async_context(
                EmbeddedMeilisearch(home, secrets.meili_key, progress=progress)
            )
            meili_port = meilisearch.port
        local = _local_settings(settings, home, secrets, postgres.port, meili_port)
        await bootstrap(postgres.superuser_dsn, local.database_name, local.passwords())
        await revisions.upgrade(local.database_dsn(Role.migrator))
        watch = asyncio.create_task(_watch(postgres, stop, progress))
        try:
            yield local
        finally:
            watch.cancel()


@asynccontextmanager
async def resting(settings: Settings, progress: Progress) -> AsyncIterator[tuple[Settings, str]]:
    """The database server of a market that does not run, with nothing migrated, and its superuser's address.

    Raises StartupError while the market runs, and where a given server's superuser is not known.
    """
    if database_is_given(settings):
        if settings.superuser_dsn is None:
            raise StartupError("This needs a database to be made. Set ISHOP_SUPERUSER_DSN, the superuser's address.")
        superuser_dsn = settings.superuser_dsn.get_secret_value()
        await _refuse_sessions(superuser_dsn, settings.database_name)
        yield settings, superuser_dsn
        return
    home = home_of(settings, progress)
    async with EmbeddedPostgres(home, progress=progress) as postgres:
        yield _local_settings(settings, home, load_secrets(home), postgres.port, None), postgres.superuser_dsn


async def _refuse_sessions(superuser_dsn: str, database: str) -> None:
    connection = await asyncpg.connect(superuser_dsn)
    try:
        names = await connection.fetch(
            "SELECT DISTINCT application_name AS name FROM pg_catalog.pg_stat_activity WHERE datname = $1 ORDER BY 1",
            database,
        )
    finally:
        await connection.close()
    if names:
        using = ", ".join(row["name"] or "somebody" for row in names)
        raise StartupError(f"The database {database} is in use by {using}. Stop all processes of the market first.")


@asynccontextmanager
async def reached(settings: Settings, progress: Progress) -> AsyncIterator[Settings]:
    """The settings of the market of this home: of the one that runs, else of servers started for the time being."""
    if not database_is_given(settings):
        home = home_of(settings, progress)
        running = _running(settings, home)
        if running is None:
            async with servers(settings, progress) as local:
                yield local
            return
        settings = running
    yield settings


def of_home(settings: Settings, progress: Progress) -> dict[str, object]:
    """What the home of this market adds to the settings: where it is, its secrets and, while the market runs, where its
    servers are. Nothing is made or started; nothing is added where the database is given."""
    if database_is_given(settings):
        return {}
    home = home_of(settings, progress)
    if not (home / "secrets.json").exists():
        return {"home": home}
    local = _running(settings, home) or _local_settings(
        settings, home, load_secrets(home), settings.database_port, None
    )
    return {name: value for name, value in local if value != getattr(settings, name)}


async def _watch(postgres: EmbeddedPostgres, stop: asyncio.Event | None, progress: Progress) -> None:
    code = await postgres.wait()
    progress(f"PostgreSQL ended by itself with code {code}; see {postgres.log}. Start again to recover.")
    if stop is not None:
        stop.set()


def _running(settings: Settings, home: Path) -> Settings | None:
    """The settings of the market that another process runs on this home; None when nobody does."""
    if not (home / "postgres.lock").exists():
        return None
    try:
        take_lock(home / "postgres.lock", "").close()
    except StartupError:
        if not (home / "postgres.port").exists():
            raise StartupError(f"The market in {home} is still starting; try again in a moment.") from None
        port = int((home / "postgres.port").read_text())
        return _local_settings(settings, home, load_secrets(home), port, _meilisearch_port(home))
    return None


def _meilisearch_port(home: Path) -> int | None:
    try:
        take_lock(home / "meilisearch.lock", "").close()
    except StartupError:
        return int((home / "meilisearch.port").read_text())
    return None


def _local_settings(settings: Settings, home: Path, secrets: Secrets, port: int, meili_port: int | None) -> Settings:
    changes: dict[str, object] = {
        "home": home,
        "database_port": port,
        **secrets.settings,
        "signing_key": settings.signing_key or SecretStr(secrets.signing_key),
    }
    if meili_port is not None:
        changes |= {"meili_url": f"http://127.0.0.1:{meili_port}", "meili_key": SecretStr(secrets.meili_key)}
    return settings.model_copy(update=changes)
