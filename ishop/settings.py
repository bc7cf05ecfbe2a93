"""Settings of one i-Shop process, read from the environment, `.env` and files of secrets, frozen once read."""

import os
import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import quote

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BeforeValidator,
    Field,
    PositiveInt,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


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

    @property
    def variable(self) -> str:
        """The environment variable of this role's password."""
        return f"ISHOP_{self.name.upper()}_PASSWORD"


DEVELOPMENT_PASSWORD: Final = "ishop-development"  # noqa: S105 - the public development default, refused elsewhere
SHORTEST_PASSWORD: Final = 16
"""Signatures of cursors are made with it and given to everybody, so that a short one could be guessed from them."""

SECRETS_DIRECTORY: Final = Path("/run/secrets")
"""Where containers find secrets as files, named like the variables. Another place is named by ISHOP_SECRETS_DIR."""


VALKEY_SCHEMES: Final = ("valkey", "valkeys", "redis", "rediss", "unix")

Network = IPv4Network | IPv6Network


def _list(value: Any) -> Any:
    """`a, b` as a list."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _amounts(value: Any) -> Any:
    """`a=1, b=2` as a mapping."""
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in _list(value)]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError("write it as name=number, separated by commas")
    return {name.strip(): number.strip() for name, _, number in pairs}


Amounts = Annotated[Mapping[str, PositiveInt], NoDecode, BeforeValidator(_amounts)]
"""Numbers by name, in the environment as `a=1,b=2`."""
Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_list)]
"""Addresses and ranges of them (CIDR), separated by commas."""


ORIGIN: Final = re.compile(r"https?://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[1-9][0-9]{0,4})?")


def _origin(value: str) -> str:
    if ORIGIN.fullmatch(value) is None:
        raise ValueError("write each origin as a browser sends it, such as https://shop.example, in small letters")
    return value


Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], NoDecode, BeforeValidator(_list)]
"""Origins of web pages, separated by commas; there is no `*`."""


class SettingsError(Exception):
    """What is wrong with the settings of this process: one sentence a line, each with the variable to set."""


class Settings(BaseSettings):
    """Everything an operator may set. Names are the environment variables without `ISHOP_`."""

    model_config = SettingsConfigDict(
        env_prefix="ISHOP_",
        env_file=".env",
        env_ignore_empty=True,  # Compose hands on what is not set as an empty text.
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        hide_input_in_errors=True,  # An error's text goes to the terminal and to logs.
    )

    env: Environment = Environment.development
    home: Path = Path(".ishop")
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    rate_limits: bool = True
    rates: Amounts = Field(default_factory=dict)
    """Requests a minute, by the name of the limit; what is not named keeps its default."""
    cors_origins: Origins = ()
    """Whose web pages may call from browsers."""
    https: Literal["off", "hsts", "redirect"] | None = None
    """What callers are told about HTTPS; unset: `off` in development, `hsts` elsewhere."""
    tls_certificate: Path | None = None
    """Of the gateway, where no proxy stands before it: the chain as a PEM file."""
    tls_key: Path | None = None
    connections: int = Field(default=1000, ge=10, le=100_000)
    """Of clients at once; where there are more, those that ask for nothing are closed first."""
    lanes: Amounts = Field(default_factory=dict)
    """Requests that the gateway lets each service work on at once, by their class."""
    cache_mib: int = Field(default=16, ge=0, le=4096)
    """What the gateway's memory of public answers may hold; 0 for none."""
    valkey_url: SecretStr | None = Field(default=None, validation_alias="VALKEY_URL")
    """Where several gateways share what they count; it may hold a password."""
    trusted_proxies: Networks = ()
    """Whose X-Forwarded-For and X-Forwarded-Proto are believed."""
    log_level: Annotated[Literal["debug", "info", "warning", "error", "critical"], BeforeValidator(str.lower)] = "info"

    database_host: str = "127.0.0.1"
    database_port: int = 5432
    database_name: str = "ishop"
    database_password: SecretStr = SecretStr(DEVELOPMENT_PASSWORD)
    """Of every role that has none of its own below."""
    catalog_password: SecretStr | None = None
    vendors_password: SecretStr | None = None
    orders_password: SecretStr | None = None
    gateway_password: SecretStr | None = None
    worker_password: SecretStr | None = None
    migrator_password: SecretStr | None = None
    superuser_dsn: SecretStr | None = None
    database_pool: int = Field(default=20, ge=1, le=100)

    catalog_url: AnyHttpUrl | None = None
    vendors_url: AnyHttpUrl | None = None
    orders_url: AnyHttpUrl | None = None
    request_seconds: float = Field(default=30, gt=0, le=600)
    shutdown_seconds: float = Field(default=10, ge=0, le=600)

    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """0 for none; where it is not set, ISHOP_PORT and 1000."""
    otlp_endpoint: AnyHttpUrl | None = Field(default=None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")

    meili_url: str | None = Field(default=None, validation_alias="MEILI_URL")
    meili_key: SecretStr | None = Field(default=None, validation_alias="MEILI_MASTER_KEY")

    public_url: str | None = Field(default=None, pattern=r"^https?://[^\s#?]+$")
    """The address of the front end, which the links in mails lead to; without one, where this process listens."""
    mail_url: SecretStr | None = None
    """`mailbox` (kept in the database, for development) or smtp[s]://user:pass@host:port."""
    mail_from: str = Field(default="i-Shop <no-reply@ishop.test>", pattern=r"^[^\r\n]*@[^\r\n]*$")

    signing_key: SecretStr | None = None
    verify_keys: str | None = None

    @field_validator("valkey_url")
    @classmethod
    def check_valkey_url(cls, url: SecretStr | None) -> SecretStr | None:
        """Only the form: whether anybody answers there is found out while running, and does not matter."""
        if url is not None and not url.get_secret_value().startswith(
            tuple(f"{scheme}://" for scheme in VALKEY_SCHEMES)
        ):
            raise ValueError(f"it must begin with one of {', '.join(f'{scheme}://' for scheme in VALKEY_SCHEMES)}")
        return url

    @model_validator(mode="after")
    def refuse_development_settings(self) -> Self:
        """Outside development rate limits stay on. Which secrets must be set depends on the process: ishop.needs."""
        if self.env is not Environment.development and not self.rate_limits:
            raise ValueError("ISHOP_RATE_LIMITS=off is for development only")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("ISHOP_TLS_CERTIFICATE and ISHOP_TLS_KEY belong together")
        return self

    def password(self, role: Role) -> str:
        """The password of one role; raises SettingsError outside development where it is the default or too short."""
        own: SecretStr | None = getattr(self, f"{role.name}_password")
        password = (own or self.database_password).get_secret_value()
        if self.env is not Environment.development:
            if password == DEVELOPMENT_PASSWORD:
                raise SettingsError(
                    f"{role.variable} is missing: it is the password of the database role {role}, "
                    f"and the development default is refused where ISHOP_ENV is {self.env}."
                )
            if len(password) < SHORTEST_PASSWORD:
                raise SettingsError(f"{role.variable} is shorter than {SHORTEST_PASSWORD} characters.")
        return password

    def passwords(self) -> dict[Role, str]:
        """The passwords of all roles, for the bootstrap that gives them out."""
        return {role: self.password(role) for role in Role}

    @property
    def links_to(self) -> str:
        """What links in mails begin with."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    def database_dsn(self, role: Role) -> str:
        """The plain PostgreSQL address of one role, without driver name; holds the password."""
        password = quote(self.password(role), safe="")
        return f"postgresql://{role}:{password}@{self.database_host}:{self.database_port}/{self.database_name}"


@cache
def get_settings() -> Settings:
    """The settings of this process; raises SettingsError for what cannot be understood, without repeating it."""
    try:
        return Settings(_secrets_dir=secrets_directory())
    except ValidationError as error:
        raise SettingsError("\n".join(_sentence(detail["loc"], detail["msg"]) for detail in error.errors())) from None


def secrets_directory() -> Path | None:
    """Where secrets are read from files; None where there is no such place."""
    files = Path(os.environ.get("ISHOP_SECRETS_DIR", SECRETS_DIRECTORY))
    return files if files.is_dir() else None


def variable_of(name: str) -> str:
    """The environment variable that sets the field `name`."""
    alias = Settings.model_fields[name].validation_alias
    return alias if isinstance(alias, str) else f"ISHOP_{name.upper()}"


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    """One of pydantic's errors, with the name that the operator knows the setting by."""
    if not location:
        return f"{message.removeprefix('Value error, ')}."
    name = str(location[0])
    return f"{variable_of(name) if name in Settings.model_fields else name} cannot be used: {message}."
