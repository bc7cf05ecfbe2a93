"""The settings as they are in effect, each with where it comes from, for `ishop config`. Secrets never show."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dotenv import dotenv_values
from pydantic import SecretStr

from ishop.logs import MASK, masked
from ishop.settings import Settings, secrets_directory, variable_of

PREFIX: Final = "ISHOP_"
NO_FIELD: Final = frozenset({"ISHOP_SECRETS_DIR"})
"""Variables of ours that say where settings are, and are none themselves."""


@dataclass(frozen=True, slots=True)
class Effective:
    """One setting: its variable, its value as it may be shown, and where it comes from."""

    variable: str
    value: str
    source: str


def effective(settings: Settings, home: Mapping[str, object]) -> Iterator[Effective]:
    """Every setting in its order of declaration; `home` holds what the home of the market adds to them."""
    places = _places()
    for name in Settings.model_fields:
        variable = variable_of(name)
        source = next((place for place, names in places.items() if variable.lower() in names), "default")
        value = getattr(settings, name)
        if name in home:
            value = home[name]
            source = "home" if source == "default" and name != "home" else source
        yield Effective(variable, _shown(value), source)


def unknown_variables() -> list[str]:
    """Variables that look like settings and are none: most likely misspelt."""
    known = {variable_of(name).lower() for name in Settings.model_fields} | {name.lower() for name in NO_FIELD}
    named = {name for name in (*os.environ, *_env_file()) if name.upper().startswith(PREFIX)}
    return sorted(name for name in named if name.lower() not in known)


def _places() -> dict[str, set[str]]:
    """Where settings are read, in the order in which one goes before the other, and which variables are found there."""
    directory = secrets_directory()
    files = [] if directory is None else [path.name for path in directory.iterdir() if path.is_file()]
    found: dict[str, Iterable[str]] = {"environment": os.environ, ".env": _env_file(), "secrets file": files}
    return {place: {name.lower() for name in names} for place, names in found.items()}


def _env_file() -> dict[str, str | None]:
    path = Path(str(Settings.model_config["env_file"]))
    return dotenv_values(path) if path.is_file() else {}


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, Mapping):
        return ",".join(f"{name}={amount}" for name, amount in value.items())
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(masked(str(value)))
