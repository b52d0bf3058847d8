"""Every setting: CYCLERY_* variables, then `.env`, then `cyclery.toml` in the working directory, then the default."""

from __future__ import annotations

import getpass
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)


class Settings(BaseSettings):
    """What one process of Cyclery is told; read once, by whoever wires things together."""

    model_config = SettingsConfigDict(
        env_prefix="CYCLERY_", env_file=".env", toml_file="cyclery.toml", extra="ignore", frozen=True
    )

    redis_url: SecretStr | None = Field(
        None, description="redis://, rediss:// or unix:// URL; none: the embedded stack"
    )
    store: str | None = Field(None, description="artifact store: a folder or s3://bucket/prefix; none: HOME/store")
    store_endpoint: str | None = Field(None, description="address of an S3-compatible store; none: AWS_ENDPOINT_URL")
    store_region: str | None = Field(None, description="region of the S3 bucket; none: AWS_REGION")
    store_key_id: str | None = Field(None, description="access key of the S3 store; none: AWS_ACCESS_KEY_ID, roles")
    store_secret: SecretStr | None = Field(None, description="secret key of the S3 store; none: AWS_SECRET_ACCESS_KEY")
    namespace: str = Field(
        "cyclery", pattern=r"^[a-z0-9][a-z0-9_-]{0,40}$", description="prefix of all keys and queues"
    )
    home: Path = Field(Path(".cyclery"), description="state of the embedded stack, caches and reports")
    cache: Path | None = Field(None, description="the host's artifact cache; none: HOME/cache")
    cache_bytes: int = Field(20 * 2**30, description="bound of the host's cache")
    lease_s: float = Field(20.0, gt=0, description="a stage whose worker is silent for so long is given to another")
    heartbeat_s: float = Field(4.0, gt=0, description="how often a worker renews its leases")
    reconcile_s: float = Field(2.0, gt=0, description="how often the orchestrator service looks for what to repair")
    window: int = Field(
        4, ge=1, description="messages that one run may have in flight for each worker process: runs take turns"
    )
    max_deaths: int = Field(3, ge=1, description="workers that one stage may kill before it counts as poison")
    expire_s: float = Field(
        30 * 86400.0, gt=0, description="a finished run leaves Redis after so long; its manifest stays"
    )
    cache_expire_s: float = Field(30 * 86400.0, gt=0, description="an unused cached result is forgotten after so long")
    author: str = Field(default_factory=getpass.getuser, description="who submits and decides, as records say it")
    redis_timeout_s: float = Field(3.0, gt=0, description="patience with one answer of Redis")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  (the base names it)
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then `.env`, then `cyclery.toml`."""
        return init_settings, env_settings, dotenv_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def store_url(self) -> str:
        """Where artifacts are kept."""
        return self.store or str(self.home.absolute() / "store")

    @property
    def cache_path(self) -> Path:
        """Where this host keeps copies and derived files."""
        return (self.cache or self.home / "cache").absolute()
