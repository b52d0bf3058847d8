"""One connection to Redis and the store, and everything that speaks over it; each part is made when it is used."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from orchestrator.settings import Settings
from orchestrator.store.connection import connect
from orchestrator.store.format import require_format
from orchestrator.store.keys import Keys

if TYPE_CHECKING:
    import redis

    from orchestrator.client.sources import Sources
    from orchestrator.engine.history import History
    from orchestrator.engine.ledger import Ledger
    from orchestrator.store.artifacts import ArtifactStore
    from orchestrator.store.models import Registry


LASTING_S = 20.0  # patience with a Redis that goes away while a verb is at work; who waits is told after two seconds
HURRIED_S = 2.0  # the same where whoever watches waits in a way of its own


class Session:
    """What a client is connected to."""

    def __init__(
        self, settings: Settings, *, embedded: bool = False, told: Callable[[str], None] | None = None
    ) -> None:
        self.settings = settings
        self.embedded = embedded  # the stack of this home: its pools run in this very environment
        self._told = told

    @cached_property
    def redis(self) -> redis.Redis:
        """The ledger's Redis; raises Unreachable, and Outdated where a newer release has made the namespace its own."""
        client = connect(self.settings, lasting_s=LASTING_S, told=self._told)
        require_format(client, Keys(self.settings.namespace))
        return client

    def hurry(self) -> None:
        """From now on an outage is raised soon."""
        from orchestrator.store.connection import place
        from orchestrator.store.patience import Patience

        url = self.settings.redis_url
        where = place(url.get_secret_value()) if url else "Redis"
        self.redis.set_retry(Patience(HURRIED_S, where))

    @cached_property
    def ledger(self) -> Ledger:
        """What decides."""
        from orchestrator.engine.ledger import Ledger

        return Ledger(self.redis, self.settings)

    @cached_property
    def history(self) -> History:
        """What is known of runs and pools."""
        from orchestrator.engine.history import History

        return History(self.redis, self.settings.namespace)

    @cached_property
    def store(self) -> ArtifactStore:
        """The artifact store."""
        from orchestrator.store.artifacts import open_store

        return open_store(self.settings)

    @cached_property
    def registry(self) -> Registry:
        """The model registry."""
        from orchestrator.store.models import Registry

        return Registry(self.redis, self.settings)

    @cached_property
    def sources(self) -> Sources:
        """The digests of file sources."""
        from orchestrator.client.sources import Sources

        return Sources(self.settings.home)

    def close(self) -> None:
        """Give the connections back."""
        if "redis" in self.__dict__:
            self.redis.close()
