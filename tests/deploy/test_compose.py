"""docker-compose.yml: it is valid, it is the map of the system, and it gives no container more than it needs."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from audit.leaks import leaks_in
from ishop.needs import PROCESSES, require
from ishop.processes import PARTS
from ishop.settings import Role, Settings
from tests.deploy.composition import (
    FILE,
    Composition,
    is_one_shot,
    run,
    seconds,
    setting_names,
    template_variables,
    waits_for,
)

COMPOSE = Composition()
STARTED, HEALTHY, DONE = "service_started", "service_healthy", "service_completed_successfully"
MAP = {
    "gateway": {"migrate": DONE, "catalog": STARTED, "vendors": STARTED, "orders": STARTED},
    "catalog": {"migrate": DONE, "meilisearch": STARTED},
    "vendors": {"migrate": DONE},
    "orders": {"migrate": DONE},
    "worker": {"migrate": DONE, "meilisearch": STARTED},
    "migrate": {"postgres": HEALTHY},
    "postgres": {},
    "meilisearch": {"meilisearch-volume": DONE},
    "meilisearch-volume": {},
    "valkey": {},
}
SECRETS = {role.variable for role in Role} | {"ISHOP_SIGNING_KEY", "ISHOP_SUPERUSER_DSN", "ISHOP_DATABASE_PASSWORD"}

every_service = pytest.mark.parametrize("name", COMPOSE.services)
every_process = pytest.mark.parametrize("name", COMPOSE.ours())


def check_schema(file: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("check-jsonschema")
    return run(program, "--builtin-schema", "vendor.compose-spec", file)


class TestSchema:
    def test_file_follows_the_specification_of_compose(self) -> None:
        checked = check_schema(FILE)
        assert checked.returncode == 0, checked.stdout

    def test_a_misspelt_key_would_be_refused(self, tmp_path: Path) -> None:
        misspelt = tmp_path / "docker-compose.yml"
        misspelt.write_text(FILE.read_text().replace("read_only: true", "readonly: true"))
        checked = check_schema(misspelt)
        assert checked.returncode == 1
        assert "'readonly' was unexpected" in checked.stdout


class TestMap:
    def test_services_wait_for_each_other_as_the_map_says(self) -> None:
        assert {name: waits_for(service) for name, service in COMPOSE.services.items()} == MAP

    def test_there_is_an_order_to_start_in(self) -> None:
        order = COMPOSE.start_order()
        assert order.index("postgres") < order.index("migrate") < order.index("orders") < order.index("gateway")

    @every_process
    def test_process_runs_a_command_that_exists(self, name: str) -> None:
        command = COMPOSE.services[name]["command"]
        assert command == ([name] if name == "migrate" else ["serve", name])
        assert name == "migrate" or name in PARTS

    def test_gateway_knows_each_service_by_its_name_and_port(self) -> None:
        environment = COMPOSE.services["gateway"]["environment"]
        for name in ("catalog", "vendors", "orders"):
            assert environment[f"ISHOP_{name.upper()}_URL"] == f"http://{name}:8000"

    @every_service
    def test_others_can_wait_for_it(self, name: str) -> None:
        service = COMPOSE.services[name]
        conditions = {waits[name] for waits in MAP.values() if name in waits}
        if is_one_shot(service):
            assert conditions == {DONE}
        else:
            assert service["healthcheck"]["test"][0] == "CMD"
            assert conditions <= {STARTED, HEALTHY}
            assert service["restart"] == "unless-stopped"

    @every_process
    def test_process_has_time_to_finish_what_it_took(self, name: str) -> None:
        shutdown = Settings(_env_file=None).shutdown_seconds
        # The worker waits twice: for who asks it, and for its jobs.
        assert seconds(COMPOSE.services[name]["stop_grace_period"]) > 2 * shutdown + 5


class TestContainment:
    def test_only_the_gateway_is_published_and_only_to_this_machine(self) -> None:
        published = {name: service["ports"] for name, service in COMPOSE.services.items() if "ports" in service}
        assert published == {"gateway": ["${GATEWAY_ADDRESS:-127.0.0.1}:${GATEWAY_PORT:-8000}:8000"]}

    def test_only_the_gateway_and_the_worker_reach_beyond_the_market(self) -> None:
        assert COMPOSE.networks == {"inside": {"internal": True}, "outside": {}}
        reach = {name for name, service in COMPOSE.services.items() if "outside" in service["networks"]}
        assert reach == {"gateway", "worker"}
        assert all("inside" in service["networks"] for service in COMPOSE.services.values())

    @every_service
    def test_container_can_change_nothing_but_its_volume(self, name: str) -> None:
        service = COMPOSE.services[name]
        assert service["read_only"] is True
        assert "/tmp" in service["tmpfs"]  # noqa: S108 - a directory of the container's own.
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["pids_limit"] == 200
        assert service["mem_limit"] in {"64m", "192m", "512m", "1g"}
        assert not {"privileged", "devices", "env_file", "secrets", "network_mode", "pid", "ipc"} & service.keys()
        assert all(volume.partition(":")[0] in {"postgres", "meilisearch"} for volume in service.get("volumes", []))

    def test_only_the_hand_over_of_the_volume_is_done_by_root_and_it_may_do_nothing_else(self) -> None:
        root = {name for name, service in COMPOSE.services.items() if service["user"] in {"root", "0", "0:0"}}
        assert root == {"meilisearch-volume"}
        powers = {name: service["cap_add"] for name, service in COMPOSE.services.items() if "cap_add" in service}
        assert powers == {"meilisearch-volume": ["CHOWN"]}
        assert is_one_shot(COMPOSE.services["meilisearch-volume"])
        owner = COMPOSE.services["meilisearch"]["user"]
        assert COMPOSE.services["meilisearch-volume"]["entrypoint"] == ["chown", owner, "/meili_data"]

    @every_service
    def test_image_is_pinned(self, name: str) -> None:
        image = COMPOSE.services[name]["image"]
        assert image in {"ishop", "postgres:18", "getmeili/meilisearch:v1.50.0", "valkey/valkey:8"}


class TestVariables:
    def test_each_one_is_in_the_template_and_the_other_way_round(self) -> None:
        assert {variable.name: variable.default for variable in COMPOSE.variables()} == template_variables()

    @every_process
    def test_every_name_is_a_setting(self, name: str) -> None:
        assert set(COMPOSE.services[name]["environment"]) <= setting_names()

    @every_process
    def test_process_is_given_exactly_the_secrets_that_it_needs(self, name: str) -> None:
        needs = PROCESSES[name]
        expected = {role.variable for role in needs.roles}
        expected |= {"ISHOP_SIGNING_KEY"} if needs.signs else set()
        expected |= {"ISHOP_SUPERUSER_DSN"} if name == "migrate" else set()
        environment = COMPOSE.services[name]["environment"]
        assert SECRETS & environment.keys() == expected
        assert ("ISHOP_VERIFY_KEYS" in environment) is needs.verifies
        assert ("ISHOP_MAIL_URL" in environment) is needs.mails
        assert ("MEILI_MASTER_KEY" in environment) is (name in {"catalog", "worker", "migrate"})

    @every_process
    def test_process_starts_in_production_with_what_it_is_given(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        required = (variable for variable, default in template_variables().items() if default is None)
        given = dict.fromkeys(required, "a-text-that-is-long-enough")
        given |= {"ISHOP_ENV": "production", "ISHOP_LOG_LEVEL": "info"}
        given |= {"ISHOP_MAIL_FROM": "shop@example.org", "ISHOP_PUBLIC_URL": "https://shop.example.org"}
        environment: dict[str, Any] = Composition(given).services[name]["environment"]
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        require(Settings(_env_file=None), name)

    def test_no_secret_is_in_the_file(self) -> None:
        assert [leak for line in FILE.read_text().splitlines() for leak in leaks_in("", line)] == []
        secrets = SECRETS | {"ISHOP_VERIFY_KEYS", "MEILI_MASTER_KEY", "POSTGRES_PASSWORD"}
        for service in COMPOSE.services.values():
            for variable in secrets & service.get("environment", {}).keys():
                source = "POSTGRES_PASSWORD" if variable == "ISHOP_SUPERUSER_DSN" else variable
                assert f"${{{source}:?run make secrets}}" in service["environment"][variable]
