"""docker-compose.yml as Compose reads it: anchors merged, variables filled in, in the order in which it starts."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, Final

import yaml

from ishop.settings import Settings

ROOT: Final = Path(__file__).parents[2]
FILE: Final = ROOT / "docker-compose.yml"
TEMPLATE: Final = ROOT / ".env.example"

VARIABLE: Final = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}")
SECONDS: Final = re.compile(r"^(\d+)s$")


@dataclass(frozen=True)
class Variable:
    """A `${NAME:-default}` or `${NAME:?message}` of the file."""

    name: str
    default: str | None

    @classmethod
    def of(cls, found: re.Match[str]) -> "Variable":
        """The variable that was found; one that has neither default nor message would be a silent empty text."""
        if found["kind"] is None:
            raise ValueError(f"{found[0]} says neither what holds without it nor that it is needed")
        return cls(found["name"], found["rest"] if found["kind"] == "-" else None)


class Composition:
    """The services of docker-compose.yml, with the variables of `settings` filled in where they are given."""

    def __init__(self, settings: Mapping[str, str | None] | None = None) -> None:
        self.raw: Final[dict[str, Any]] = yaml.safe_load(FILE.read_text())
        document = self.raw if settings is None else _filled(self.raw, settings)
        self.services: Final[dict[str, dict[str, Any]]] = document["services"]
        self.networks: Final[dict[str, dict[str, Any]]] = document["networks"]

    def variables(self) -> set[Variable]:
        """Every variable that the services use."""
        return {Variable.of(found) for text in _texts(self.raw["services"]) for found in VARIABLE.finditer(text)}

    def ours(self) -> dict[str, dict[str, Any]]:
        """The services that are processes of the market itself."""
        return {name: service for name, service in self.services.items() if "build" in service}

    def start_order(self) -> list[str]:
        """The services, each behind those that it depends on; raises CycleError where there is no such order."""
        return list(
            TopologicalSorter({name: waits_for(service) for name, service in self.services.items()}).static_order()
        )


def waits_for(service: Mapping[str, Any]) -> dict[str, str]:
    """The services that must come before, each with the condition that must hold."""
    return {name: entry["condition"] for name, entry in service.get("depends_on", {}).items()}


def is_one_shot(service: Mapping[str, Any]) -> bool:
    """Whether it does its work and ends."""
    return bool(service["restart"] == "no")


def seconds(text: str) -> int:
    """A duration of the file."""
    found = SECONDS.match(text)
    if found is None:
        raise ValueError(f"{text} is no number of seconds")
    return int(found[1])


def template_variables() -> dict[str, str | None]:
    """The variables of .env.example: None for one that must be set, else the default that its comment states."""
    found: dict[str, str | None] = {}
    for line in TEMPLATE.read_text().splitlines():
        name, equals, default = line.removeprefix("# ").partition("=")
        if equals and re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
            if name in found or not (line.startswith("#") or default == ""):
                raise ValueError(f"{line!r} is neither NAME= once nor # NAME=default once")
            found[name] = default if line.startswith("#") else None
    return found


def setting_names() -> set[str]:
    """The environment variables that a process of ours reads."""
    return {str(field.validation_alias or f"ISHOP_{name.upper()}") for name, field in Settings.model_fields.items()}


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program of ours to its end."""
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - programs of ours.


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for entry in value.values():
            yield from _texts(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _texts(entry)
    elif isinstance(value, str):
        yield value


def _filled(value: Any, settings: Mapping[str, str | None]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(entry, settings) for name, entry in value.items()}
    if isinstance(value, list):
        return [_filled(entry, settings) for entry in value]
    if isinstance(value, str):
        return VARIABLE.sub(lambda found: _value(Variable.of(found), settings), value)
    return value


def _value(variable: Variable, settings: Mapping[str, str | None]) -> str:
    value = settings.get(variable.name) or variable.default
    if value is None:
        raise KeyError(f"{variable.name} is not set")
    return value
