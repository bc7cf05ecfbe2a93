"""Alerts, figures and runbooks: that each rule can be read, asks for figures that exist, and has its section."""

import re
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from ishop.cli import app
from ishop.telemetry.page import figures

ROOT = Path(__file__).parents[3]
RUNBOOKS = ROOT / "docs" / "runbooks.md"
PARTS_OF_A_RUNBOOK = ("**Seen**", "**First look**", "**Likely causes**", "**Remedy**", "**Call**")
OF_PROMETHEUS = {"up"}
NO_FIGURES = {"ishop_", "ishop_inside"}
"""What a runbook searches for, and the network of the containers."""
NAME = re.compile(r"\b(?:ishop_\w+|up)\b")
# What PromQL needs to be read here: names, numbers, strings, durations, brackets that close, operators in between.
TOKEN = re.compile(
    r"\s*(?:(?P<string>\"[^\"]*\")|(?P<duration>\d+[smhd])|(?P<number>\d+(?:\.\d+)?)|(?P<name>[a-z_][a-z0-9_]*)"
    r"|(?P<operator>==|!=|=~|!~|>=|<=|[-+*/<>=,:])|(?P<bracket>[()\[\]{}]))"
)
CLOSES = {")": "(", "]": "[", "}": "{"}
FUNCTIONS = {"sum", "max", "by", "rate", "increase", "absent", "histogram_quantile", "min_over_time"}


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())["groups"]
    return list(chain.from_iterable(group["rules"] for group in groups))


def tokens(expression: str) -> list[tuple[str, str]]:
    """The tokens of a PromQL expression; raises AssertionError where it cannot be read."""
    found: list[tuple[str, str]] = []
    open_brackets: list[str] = []
    place = 0
    while place < len(expression.rstrip()):
        match = TOKEN.match(expression, place)
        assert match is not None, f"cannot be read at {expression[place : place + 20]!r}"
        kind, text = str(match.lastgroup), str(match[str(match.lastgroup)])
        if text in CLOSES:
            assert open_brackets, f"{text} closes nothing"
            assert open_brackets.pop() == CLOSES[text]
        elif kind == "bracket":
            open_brackets.append(text)
        found.append((kind, text))
        place = match.end()
    assert not open_brackets, f"{open_brackets} stay open"
    return found


@pytest.fixture(scope="module")
def series() -> dict[str, set[str]]:
    """The labels of every series that a process may show."""
    found: dict[str, set[str]] = {}
    for figure in figures():
        if figure.kind == "histogram":
            found |= {f"{figure.name}_{suffix}": {*figure.labels} for suffix in ("sum", "count")}
            found[f"{figure.name}_bucket"] = {*figure.labels, "le"}
        else:
            found[figure.name] = {*figure.labels}
    return found


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
class TestRule:
    def test_has_the_shape_that_prometheus_reads(self, rule: dict[str, Any]) -> None:
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"[A-Z]\w+", rule["alert"])
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "0s"))
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"].keys() == {"summary", "runbook"}

    def test_can_be_read(self, rule: dict[str, Any]) -> None:
        assert tokens(rule["expr"])

    def test_asks_for_figures_and_labels_that_exist(self, rule: dict[str, Any], series: dict[str, set[str]]) -> None:
        labels_of_prometheus = {"instance", "job"}
        asked = set(NAME.findall(rule["expr"]))
        assert asked
        assert asked <= series.keys() | OF_PROMETHEUS
        labels = set().union(*(series.get(name, set()) for name in asked)) | labels_of_prometheus
        names = {text for kind, text in tokens(rule["expr"]) if kind == "name"}
        assert names - asked - FUNCTIONS <= labels
        assert set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])) <= labels

    def test_has_its_section_in_the_runbooks(self, rule: dict[str, Any]) -> None:
        assert rule["annotations"]["runbook"] == f"docs/runbooks.md#{rule['alert'].lower()}"


def sections() -> dict[str, str]:
    text = RUNBOOKS.read_text()
    return dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, flags=re.M | re.S))


class TestRunbooks:
    def test_there_is_one_for_every_alert_and_no_other(self) -> None:
        assert list(sections()) == [rule["alert"] for rule in rules()]

    @pytest.mark.parametrize("alert", list(sections()))
    def test_each_says_what_is_seen_and_what_to_do(self, alert: str) -> None:
        places = [sections()[alert].find(part) for part in PARTS_OF_A_RUNBOOK]
        assert -1 not in places
        assert places == sorted(places)

    def test_links_lead_somewhere(self) -> None:
        text = RUNBOOKS.read_text()
        anchors = {name.lower() for name in sections()}
        assert set(re.findall(r"\]\(#(\w+)\)", text)) <= anchors
        for file in re.findall(r"\]\(([\w./]+)\)", text):
            assert (RUNBOOKS.parent / file).exists(), file

    def test_figures_and_commands_that_are_named_exist(self, series: dict[str, set[str]]) -> None:
        text = RUNBOOKS.read_text()
        names = {*re.findall(r"\bishop_\w*", text)} - NO_FIGURES
        known = series.keys() | {figure.name for figure in figures()}
        assert names <= known
        commands = {command.name or command.callback.__name__ for command in _commands() if command.callback}
        assert set(re.findall(r"`?ishop (\w+)", text)) <= commands | {"jobs"}


def _commands() -> list[Any]:
    return [command for group in app.registered_groups for command in group.typer_instance.registered_commands]  # type: ignore[union-attr] # Every group of ours is a Typer.
