"""The files of deployment hold together: stack, image, scrape configuration, alerts, dashboard.

The tools that would read them (docker-compose, promtool) judge them where they are installed.
"""

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from serving.gate import Gate
from serving.metrics import Metrics
from serving.run_counts import RunCounts

HOME = Path(__file__).parents[2]
DEPLOY = HOME / "deploy"
VLLM = "vllm:"  # judged by the test that starts vLLM


def exported() -> set[str]:
    """Every name that the server's metrics page can hold."""
    names = {"process_resident_memory_bytes", "process_cpu_seconds_total"}
    metrics = Metrics(Gate(1, 1))
    RunCounts(metrics)
    for family in metrics.registry.collect():
        if family.type == "counter":
            names.add(f"{family.name}_total")
        elif family.type == "histogram":
            names |= {f"{family.name}_{part}" for part in ("bucket", "sum", "count")}
        else:
            names.add(family.name)
    return names


def named(expression: str) -> set[str]:
    """The metrics that a PromQL expression asks for: what has a prefix and is no label."""
    bare = re.sub(r"\{[^}]*\}|\b(by|without) \([^)]*\)", " ", expression)
    words = set(re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", bare))
    return {word for word in words if "_" in word and not word.startswith(("histogram_", "__"))}


def dashboard_expressions() -> Iterator[str]:
    for file in (DEPLOY / "grafana" / "dashboards").glob("*.json"):
        for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]:
            yield from (target["expr"] for target in panel.get("targets", ()))


def alert_expressions() -> Iterator[str]:
    rules = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
    for group in rules["groups"]:
        yield from (rule["expr"] for rule in group["rules"])


def test_every_name_on_the_dashboard_and_in_the_alerts_is_exported() -> None:
    expressions = [*dashboard_expressions(), *alert_expressions()]
    asked = set().union(*(named(expression) for expression in expressions))
    own = {name for name in asked if not name.startswith(VLLM)}
    assert len(own) > 10
    assert own - exported() == set()


def test_a_wrong_name_would_be_seen() -> None:
    assert named("sum by (no_label) (rate(reason_vots_total{a_b='c_d'}[5m]))") == {
        "reason_vots_total"
    }
    assert "reason_vots_total" not in exported()


def test_whatever_is_counted_of_runs_is_on_the_dashboard() -> None:
    shown = set().union(*(named(expression) for expression in dashboard_expressions()))
    runs = {name for name in exported() if name.startswith("reason_run")}
    assert runs - shown == {"reason_run_working_seconds_total"}


def test_the_dashboard_is_whole() -> None:
    (file,) = (DEPLOY / "grafana" / "dashboards").glob("*.json")
    panels = json.loads(file.read_text(encoding="utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    source = yaml.safe_load(
        (DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text(encoding="utf-8")
    )["datasources"][0]
    uids = {panel["datasource"]["uid"] for panel in panels if panel["type"] != "row"}
    assert uids == {source["uid"]}


def stack() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load((HOME / "compose.yaml").read_text(encoding="utf-8"))
    return data


@pytest.mark.parametrize("name", ["reason", "engine", "postgres", "prometheus", "grafana"])
def test_every_service_is_watched_pinned_and_kept_small(name: str) -> None:
    service = stack()["services"][name]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] == "CMD"
    assert re.search(r":v?\d+\.\d+", service["image"])
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert int(service["user"].partition(":")[0]) > 0
    assert service.get("read_only", False) is (name != "engine")
    assert not {"privileged", "ipc", "pid", "network_mode"} & set(service)
    for port in service.get("ports", ()):
        assert port.startswith("127.0.0.1:")


def test_only_the_engine_needs_a_gpu() -> None:
    services = stack()["services"]
    assert [name for name in services if "profiles" in services[name]] == ["engine"]


def test_what_is_kept_lies_in_named_volumes() -> None:
    data = stack()
    mounts = [mount for one in data["services"].values() for mount in one["volumes"]]
    kept = [mount for mount in mounts if not mount.endswith(":ro")]
    assert sorted(mount.partition(":")[0] for mount in kept) == sorted(data["volumes"])


def test_model_and_adapters_of_the_engine_come_from_the_settings() -> None:
    """The image's entry point is ``vllm serve``, which takes the model by its place."""
    engine, example = stack()["services"]["engine"], (HOME / ".env.example").read_text("utf-8")
    assert engine["command"].startswith("${ENGINE_MODEL:-")
    text = json.dumps(engine)
    for name in ("ENGINE_MODEL", "ENGINE_FLAGS", "ENGINE_ADAPTERS", "ENGINE_SHM"):
        assert f"${{{name}:-" in text
        assert f"\n{name}=" in example


def test_the_count_of_gpus_is_one_that_docker_compose_takes() -> None:
    """Version 1.29 refuses a string other than ``all``, but only when the stack is started."""
    reserved = stack()["services"]["engine"]["deploy"]["resources"]["reservations"]
    assert reserved["devices"][0]["count"] == "all"


def test_no_secret_is_in_the_stack_or_the_example() -> None:
    for secret in stack()["secrets"].values():
        assert secret["file"].startswith("./deploy/secrets/")
    ignored = (HOME / ".gitignore").read_text(encoding="utf-8").split()
    assert {"deploy/secrets/", ".env"} <= set(ignored)


def test_init_makes_secrets_once_and_the_example_is_a_setting_file(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    shutil.copy(DEPLOY / "init.sh", tmp_path / "deploy")
    shutil.copy(HOME / ".env.example", tmp_path)
    command = ["sh", str(tmp_path / "deploy" / "init.sh")]
    subprocess.run(command, check=True, capture_output=True)
    secrets = tmp_path / "deploy" / "secrets"
    first = {file.name: file.read_text(encoding="ascii") for file in secrets.iterdir()}
    assert set(first) == set(stack()["secrets"])
    assert len(set(first.values())) == 4
    assert all(re.fullmatch(r"[0-9a-f]{48}\n", text) for text in first.values())
    assert secrets.stat().st_mode & 0o077 == 0
    subprocess.run(command, check=True, capture_output=True)
    assert {file.name: file.read_text(encoding="ascii") for file in secrets.iterdir()} == first


def test_the_image_holds_every_package() -> None:
    project = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["setuptools"]["packages"]["find"]["include"]
    lines = (HOME / "Dockerfile").read_text(encoding="utf-8").splitlines()
    let_in = (HOME / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for package in (pattern.rstrip("*") for pattern in packages):
        assert f"COPY {package} {package}" in lines
        assert f"!{package}" in let_in


def run_tool(*command: str) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(command, cwd=HOME, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("profile", ["cpu", "gpu"])
def test_docker_compose_takes_the_stack(profile: str) -> None:
    run_tool("docker-compose", "--profile", profile, "config", "--quiet")


def test_prometheus_takes_its_configuration_and_rules() -> None:
    run_tool("promtool", "check", "config", "--syntax-only", "deploy/prometheus/prometheus.yml")
    run_tool("promtool", "check", "rules", "deploy/prometheus/alerts.yml")
