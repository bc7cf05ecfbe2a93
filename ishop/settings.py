"""Settings of one i-Shop process, read from the environment and `.env`, frozen once read."""

from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Environment(StrEnum):
    """Where the process runs; only `development` accepts the secrets that `ishop up` makes by itself."""

    development = "development"
    production = "production"


class Role(StrEnum):
    """The database login roles: one per service, one for the worker and one for migrations."""

    catalog = "ishop_catalog"
    vendors = "ishop_vendors"
    orders = "ishop_orders"
    gateway = "ishop_gateway"
    worker = "ishop_worker"
    migrator = "ishop_migrator"


DEVELOPMENT_PASSWORD = "ishop-development"  # noqa: S105 - the public development default, refused elsewhere


class Settings(BaseSettings):
    """Everything an operator may set. Names are the environment variables without `ISHOP_`."""

    model_config = SettingsConfigDict(
        env_prefix="ISHOP_", env_file=".env", frozen=True, extra="ignore", populate_by_name=True
    )

    env: Environment = Environment.development
    home: Path = Path(".ishop")
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    rate_limits: bool = True
    log_level: str = "info"

    database_host: str = "127.0.0.1"
    database_port: int = 5432
    database_name: str = "ishop"
    database_password: SecretStr = SecretStr(DEVELOPMENT_PASSWORD)
    superuser_dsn: SecretStr | None = None
    database_pool: int = Field(default=20, ge=1, le=100)

    meili_url: str | None = Field(default=None, validation_alias="MEILI_URL")
    meili_key: SecretStr | None = Field(default=None, validation_alias="MEILI_MASTER_KEY")

    signing_key: SecretStr | None = None
    verify_keys: str | None = None

    @model_validator(mode="after")
    def refuse_development_secrets(self) -> Self:
        """Outside development every secret must be set, and rate limits stay on."""
        if self.env is Environment.development:
            return self
        if self.database_password.get_secret_value() == DEVELOPMENT_PASSWORD:
            raise ValueError("ISHOP_DATABASE_PASSWORD must be set when ISHOP_ENV is not development")
        if self.signing_key is None and self.verify_keys is None:
            raise ValueError("ISHOP_SIGNING_KEY or ISHOP_VERIFY_KEYS must be set when ISHOP_ENV is not development")
        if not self.rate_limits:
            raise ValueError("ISHOP_RATE_LIMITS=off is for development only")
        return self

    def database_dsn(self, role: Role) -> str:
        """The plain PostgreSQL address of one role, without driver name; holds the password."""
        password = self.database_password.get_secret_value()
        return f"postgresql://{role}:{password}@{self.database_host}:{self.database_port}/{self.database_name}"


@cache
def get_settings() -> Settings:
    """The settings of this process."""
    return Settings()
