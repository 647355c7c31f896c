"""Settings: flags over environment (``REASON_*``) over ``reason.toml`` over defaults.

:class:`RunOptions` is everything that shapes a run and is saved with it; :class:`Settings` adds
what belongs to the caller's machine. Unknown keys are errors in the file and in the environment,
and every value knows where it came from (``reason config show``).
"""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from agents.pipeline import Speculation
from agents.policy import OnNoConvergence
from agents.voting import Rule
from reason.errors import UsageError

PREFIX = "REASON_"
RESERVED = {"REASON_CONFIG", "REASON_API_KEY", "REASON_API_KEYS", "REASON_KILL_AT"}
"""Variables with the prefix that are not settings: file to read, keys, durability tests."""


Price = Annotated[float, Field(ge=0)]
Temperature = Annotated[float, Field(ge=0, le=2)]


class RunOptions(BaseModel):
    """How a run votes, with which models and within which limits; saved with the run.

    Every field is also a flag of the command line, and the text under it the flag's help.
    """

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    model: Annotated[list[str], NoDecode] = Field(["embedded"], min_length=1)
    """Model spec: embedded, gguf:FILE, openai/NAME, http://HOST/v1#NAME, sim:error=0.01.
    Given several times, the models share the votes."""
    k: Annotated[int, Field(ge=1, le=1000)] | Literal["auto"] = 3
    """Margin of the vote; auto measures the model first and takes the least that suffices."""
    target: float = Field(0.99, gt=0, lt=1)
    """Wanted chance of a run without an error, for --k auto."""
    vote: Rule = "ahead-by-k"
    """Voting rule: ahead-by-k, first-to-k or likelihood."""
    first_temperature: float = Field(0.0, ge=0, le=2)
    """Temperature of a step's first vote."""
    temperature: float = Field(0.1, ge=0, le=2)
    """Temperature of every later vote."""
    max_tokens: int | None = Field(None, ge=1)
    """Completion cap; longer answers are red-flagged. By default what the task calls for."""
    style: Literal["auto", "paper", "compact"] = "auto"
    """Prompt style: paper or compact; auto is compact for micro and simulated models, where the
    task has it, and paper for all others."""
    concurrency: int = Field(16, ge=1, le=4096)
    """Requests in flight to each server."""
    transport: Literal["lean", "openai"] = "lean"
    """What carries requests to servers: lean (aiohttp), or openai (its client)."""
    engine_cluster: Literal["none", "ray"] = "none"
    """Spread the work over the nodes of a Ray cluster: ray, or none. It changes no answer."""
    max_votes: int | None = Field(None, ge=1)
    """Samples a step may use. By default the larger of 100 and 10 k."""
    on_no_convergence: OnNoConvergence = "stop"
    """What becomes of a step that stays undecided: stop, vary, plurality or escalate."""
    escalate_model: str | None = None
    """Model spec that votes on undecided steps under escalate."""
    red_flag: Annotated[list[str], NoDecode] = Field(default_factory=list)
    """Pattern; an answer in which it is found is discarded. May be repeated."""
    variants: int = Field(1, ge=1, le=1000)
    """Ways of asking that the votes of a step take by turns, so that they err apart."""
    ladder: Annotated[list[Temperature], NoDecode] = Field(default_factory=list)
    """Temperatures that the votes after the first take by turns, such as 0.1,0.5."""
    mix: str = "turns"
    """Turns of several models: turns, evidence, or weights such as 3,1."""
    check_transitions: bool = False
    """Red-flag answers that break the rules of the task; the rules then help to solve it."""
    rollback: int = Field(0, ge=0)
    """Steps taken back, and done anew, when a step does not converge."""
    speculate: Speculation = "none"
    """Start later steps early: none, self (from a step's own first vote) or draft. It changes no
    answer."""
    window: int = Field(64, ge=1, le=65536)
    """Steps in flight under --speculate."""
    draft_model: str | None = None
    """Model spec of a cheaper model that drafts. By default the task's own rule does."""
    trace_share: float = Field(0.001, ge=0, le=1)
    """Share of the calls to models that traces hold, where OTEL_EXPORTER_OTLP_ENDPOINT is set."""
    prices: dict[str, tuple[Price, Price]] = Field(default_factory=dict)
    """Dollars per million (prompt, completion) tokens by model name, for models not listed."""
    budget_tokens: int | None = Field(None, ge=1)
    """Prompt and completion tokens of the whole run."""
    budget_usd: float | None = Field(None, gt=0)
    """US dollars of the whole run."""
    budget_seconds: float | None = Field(None, gt=0)
    """Working seconds of the whole run, over all its sessions."""

    @field_validator("model", "red_flag", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return value.split() if isinstance(value, str) else value

    @field_validator("ladder", mode="before")
    @classmethod
    def _rungs(cls, value: object) -> object:
        return value.split(",") if isinstance(value, str) else value

    @field_validator("mix")
    @classmethod
    def _is_mix(cls, value: str) -> str:
        if value not in ("turns", "evidence") and not re.fullmatch(r"\d+(,\d+)*", value):
            raise ValueError("must be turns, evidence, or whole weights such as 3,1")
        return value

    @field_validator("k", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        if isinstance(value, str) and value.isdecimal():
            value = int(value)
        if value != "auto" and not (isinstance(value, int) and 1 <= value <= 1000):
            raise ValueError("must be a whole number from 1 to 1000, or auto")
        return value

    @field_validator("red_flag")
    @classmethod
    def _compiles(cls, value: list[str]) -> list[str]:
        for pattern in value:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
        return value


class Settings(RunOptions, BaseSettings):
    """All settings, resolved."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid")

    runs_dir: Path = Path("reason-runs")
    """Where run directories are made."""
    journal_url: str | None = None
    """PostgreSQL database that keeps the journals of new runs; by default each has a file."""

    @field_validator("journal_url")
    @classmethod
    def _names_a_database(cls, value: str | None) -> str | None:
        return check_journal_url(value) if value else None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then environment, then the TOML file."""
        file = TomlConfigSettingsSource(settings_cls, toml_file=config_file())
        return init_settings, env_settings, file

    def options(self) -> RunOptions:
        """The part that is saved with a run."""
        return RunOptions(**{name: getattr(self, name) for name in RunOptions.model_fields})


def check_journal_url(url: str) -> str:
    """The URL. Raises ValueError for another kind, and for a password, which would be saved."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres"):
        raise ValueError("must be a URL such as postgresql://user@host/database")
    if parts.password is not None or {"password", "sslpassword"} & parse_qs(parts.query).keys():
        raise ValueError(
            "must hold no password, for it is saved with the run: set PGPASSWORD or put it into "
            "~/.pgpass"
        )
    return url


def change_options(options: RunOptions, changes: Mapping[str, Any]) -> RunOptions:
    """The options with some flags given anew. Raises UsageError."""
    try:
        return RunOptions.model_validate({**options.model_dump(), **changes})
    except ValidationError as error:
        raise UsageError(_first_line(error, changes)) from None


class Origin(NamedTuple):
    """A setting's value in force and the source that set it."""

    name: str
    value: Any
    source: str


def config_file() -> Path | None:
    """``$REASON_CONFIG``, or ``reason.toml`` here if there is one."""
    named = os.environ.get("REASON_CONFIG")
    if named:
        if not Path(named).is_file():
            raise UsageError(f"REASON_CONFIG names {named}, which is not a file")
        return Path(named)
    local = Path("reason.toml")
    return local if local.is_file() else None


def load_settings(flags: Mapping[str, Any] | None = None) -> Settings:
    """Resolve the settings; flags that are None are not given. Raises UsageError."""
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    _refuse_unknown_environment()
    try:
        return Settings(**given)
    except ValidationError as error:
        raise UsageError(_first_line(error, given)) from None
    except ValueError as error:  # a TOML file that cannot be parsed
        raise UsageError(f"{config_file()}: {error}") from None


def origins(settings: Settings, flags: Mapping[str, Any] | None = None) -> list[Origin]:
    """Every setting with its value and where that came from."""
    file = config_file()
    given = {name for name, value in (flags or {}).items() if value is not None}
    in_file = TomlConfigSettingsSource(Settings, toml_file=file)() if file else {}
    found = []
    for name in Settings.model_fields:
        variable = f"{PREFIX}{name.upper()}"
        source = "default"
        if name in given:
            source = "flag"
        elif variable in _environment():
            source = f"environment {variable}"
        elif name in in_file:
            source = f"file {file}"
        found.append(Origin(name, getattr(settings, name), source))
    return found


def _environment() -> dict[str, str]:
    """The REASON_* variables by upper-case name (pydantic-settings reads any case)."""
    return {
        name.upper(): value for name, value in os.environ.items() if name.upper().startswith(PREFIX)
    }


def _refuse_unknown_environment() -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | RESERVED
    for name in _environment():
        if name not in known:
            raise UsageError(f"unknown setting {name} in the environment{_near(name, known)}")


def _near(name: str, known: set[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {close[0]}?" if close else "; `reason config show` lists all"


def _first_line(error: ValidationError, given: Mapping[str, Any]) -> str:
    """The first complaint, naming the setting and its source, in one line."""
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else "settings"
    if name in given:
        where = f"--{name.replace('_', '-')}"
    elif f"{PREFIX}{name.upper()}" in _environment():
        where = f"{PREFIX}{name.upper()}"
    else:
        where = f"{name} in {config_file()}"
    if first["type"] == "extra_forbidden":
        return f"unknown setting {where}{_near(name, set(Settings.model_fields))}"
    message = f"{where}: {first['msg'].removeprefix('Value error, ')}"
    if name == "journal_url":  # may hold a password
        return message
    return f"{message} (got {first['input']!r})"
