"""Networks between hosts of one machine: a namespace for each host, and a bridge on which Redis listens."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tests.faults.hosts.programs import order
from tests.servers import RedisServer, free_port

Way = Literal["both", "in", "out"]
WAYS: tuple[Way, ...] = ("both", "in", "out")
CARD = "eth0"  # of every host
RULES = """
table inet fault {
  chain in { type filter hook input priority 0
    %s
  }
  chain out { type filter hook output priority 0
    %s
  }
}
"""


@dataclass
class Site:
    """One host's own network; what runs behind `wrap` has no other."""

    namespace: str
    name: str  # of the host

    @property
    def wrap(self) -> list[str]:
        """What a command stands behind to run on this host, under its name."""
        renamed = ["unshare", "--uts", "sh", "-c", f'hostname {self.name}; exec "$@"', "sh"]
        return ["nsenter", f"--net=/run/netns/{self.namespace}", *renamed]

    def cut(self, way: Way = "both") -> None:
        """From now on packets of this way vanish; neither side is told."""
        drop = f'iifname "{CARD}" drop', f'oifname "{CARD}" drop'
        self._rule(drop[0] if way in ("both", "in") else "", drop[1] if way in ("both", "out") else "")

    def lose(self, percent: int) -> None:
        """So many of a hundred packets vanish, in each way."""
        self._rule(*(f'{which} "{CARD}" numgen random mod 100 < {percent} drop' for which in ("iifname", "oifname")))

    def unplug(self) -> None:
        """The cable is out: this side is told."""
        self._inside("ip", "link", "set", CARD, "down")

    def heal(self) -> None:
        """All is as it was."""
        self._rule("", "")
        self._inside("ip", "link", "set", CARD, "up")

    def _rule(self, incoming: str, outgoing: str) -> None:
        order("nsenter", f"--net=/run/netns/{self.namespace}", "nft", "-f", "-",
              text="add table inet fault\ndelete table inet fault\n" + RULES % (incoming, outgoing))  # fmt: skip

    def _inside(self, *words: str) -> str:
        return order("nsenter", f"--net=/run/netns/{self.namespace}", *words)


class Network:
    """A bridge of this machine with hosts around it; Redis listens on the bridge's address, with its password."""

    def __init__(self, redis: RedisServer) -> None:
        self.redis = redis
        self.tag = secrets.token_hex(3)
        self.bridge = f"cyb{self.tag}"
        first, second = 64 + int(self.tag[:2], 16) % 64, int(self.tag[2:4], 16)
        self.subnet = f"10.{first}.{second}"
        self.address = f"{self.subnet}.1"
        self.sites: dict[str, Site] = {}

    def start(self) -> Network:
        """Make the bridge, and have Redis listen on it, from now on or from its next start."""
        order("ip", "link", "add", self.bridge, "type", "bridge")
        order("ip", "address", "add", f"{self.address}/24", "dev", self.bridge)
        order("ip", "link", "set", self.bridge, "up")
        self.redis.port = self.redis.port or free_port()
        self.redis.options = (*self.redis.options, "--bind", "127.0.0.1", self.address)
        if self.redis.process is not None:
            with self.redis.client() as client:
                client.config_set("bind", f"127.0.0.1 {self.address}")
                client.config_set("port", self.redis.port)
        return self

    def url(self, port: int = 0) -> str:
        """The Redis as a host of this network reaches it; with a port, what listens there on the bridge instead."""
        return f"redis://:{self.redis.password}@{self.address}:{port or self.redis.port}/0"

    def site(self, name: str) -> Site:
        """The network of the host with this name."""
        if name not in self.sites:
            self.sites[name] = self._make(name, len(self.sites) + 2)
        return self.sites[name]

    def close(self) -> None:
        """Take everything away; what still runs in there has no network from now on."""
        for site in self.sites.values():
            order("ip", "netns", "delete", site.namespace)
        with contextlib.suppress(AssertionError):  # it could not be made
            order("ip", "link", "delete", self.bridge)

    def _make(self, name: str, number: int) -> Site:
        site = Site(f"cy{self.tag}{number}", name)
        plug = f"cyp{self.tag}{number}"
        order("ip", "netns", "add", site.namespace)
        order("ip", "link", "add", plug, "type", "veth", "peer", "name", CARD, "netns", site.namespace)
        order("ip", "link", "set", plug, "master", self.bridge, "up")
        for words in (("address", "add", f"{self.subnet}.{number}/24", "dev", CARD),
                      ("link", "set", CARD, "up"), ("link", "set", "lo", "up")):  # fmt: skip
            order("ip", "-netns", site.namespace, *words)
        return site


def wrapped(site: Site, command: Sequence[str]) -> list[str]:
    """A command as it is started on this host."""
    return [*site.wrap, *command]
