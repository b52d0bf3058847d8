"""Where each setting came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource, TomlConfigSettingsSource

from orchestrator.settings import Settings
from orchestrator.store.connection import place


@dataclass(frozen=True, slots=True)
class SettingOrigin:
    """One setting as it stands."""

    variable: str  # CYCLERY_STORE
    value: str  # a secret is masked; empty: none
    origin: str  # "environment", ".env", "cyclery.toml", "default", "embedded stack"
    about: str


def origins(settings: Settings, reached: Settings | None = None) -> tuple[SettingOrigin, ...]:
    """Every setting, what it comes to, and the first source that names it; `reached` has the embedded stack's Redis."""
    sources: list[tuple[str, dict[str, Any]]] = [
        ("environment", EnvSettingsSource(Settings)()),
        (".env", DotEnvSettingsSource(Settings)()),
        ("cyclery.toml", TomlConfigSettingsSource(Settings)()),
    ]
    effective = {name: getattr(settings, name) for name in Settings.model_fields}
    effective |= {"store": settings.store_url, "cache": settings.cache_path, "home": settings.home.absolute()}
    if settings.redis_url is None and reached is not None:
        sources.append(("embedded stack", {"redis_url": reached.redis_url}))
        effective["redis_url"] = reached.redis_url
    return tuple(
        SettingOrigin(
            f"CYCLERY_{name.upper()}",
            _shown(name, effective[name]),
            next((origin for origin, found in sources if name in found), "default"),
            field.description or "",
        )
        for name, field in Settings.model_fields.items()
    )


def _shown(name: str, value: object) -> str:
    if name == "redis_url" and isinstance(value, SecretStr):
        return place(value.get_secret_value())
    return "" if value is None else str(value)  # a SecretStr shows stars
