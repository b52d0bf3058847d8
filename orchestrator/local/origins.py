"""Where each setting came from."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource, TomlConfigSettingsSource

from orchestrator.contracts.values import Value
from orchestrator.settings import Settings


class SettingOrigin(Value):
    """One setting as it stands."""

    name: str  # the variable: CYCLERY_STORE
    value: str | None  # a secret is masked
    origin: str  # "environment", ".env", "cyclery.toml", "default"
    description: str


def origins(settings: Settings) -> tuple[SettingOrigin, ...]:
    """Every setting, its value and the first source that names it."""
    sources: list[tuple[str, dict[str, Any]]] = [
        ("environment", EnvSettingsSource(Settings)()),
        (".env", DotEnvSettingsSource(Settings)()),
        ("cyclery.toml", TomlConfigSettingsSource(Settings)()),
    ]
    return tuple(
        SettingOrigin(
            name=f"CYCLERY_{name.upper()}",
            value=_shown(getattr(settings, name)),
            origin=next((origin for origin, found in sources if name in found), "default"),
            description=field.description or "",
        )
        for name, field in Settings.model_fields.items()
    )


def _shown(value: object) -> str | None:
    if isinstance(value, SecretStr):
        from orchestrator.store.connection import place

        return place(value.get_secret_value())
    return None if value is None else str(value)
