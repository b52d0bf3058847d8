"""Many actors in one thread, each halted at every command that it sends: a seed says who goes on, and who dies where.

An actor stands for a process. It is a greenlet, so the code of the product runs in it as it is.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from greenlet import getcurrent, greenlet


class Killed(BaseException):
    """kill -9, as far as Python can tell: no `except Exception` keeps it back, and nothing is sent any more."""


@dataclass(eq=False)
class Actor:
    """One process: its life begins again with each death, until the storm is over."""

    name: str
    life: Callable[[], None]
    mortal: bool = True
    thread: greenlet | None = None
    stopped: int = 0  # turns for which it is halted (SIGSTOP)
    over: bool = False


@dataclass
class Hub:
    """Whose turn it is."""

    chance: random.Random
    actors: list[Actor] = field(default_factory=list)
    deaths: int = 0
    turns: int = 0

    def add(self, name: str, life: Callable[[], None], *, mortal: bool = True) -> Actor:
        """A process that lives from now on."""
        actor = Actor(name, life, mortal)
        self.actors.append(actor)
        return actor

    @property
    def current(self) -> Actor | None:
        """Who is running; None: the storm itself."""
        here = getcurrent()
        return next((actor for actor in self.actors if actor.thread is here), None)

    def pause(self) -> None:
        """Let somebody else go on first; the storm itself is never halted."""
        parent = getcurrent().parent
        if parent is not None:
            parent.switch()

    def turn(self) -> bool:
        """One actor goes on to its next halt; False when nobody can."""
        able = [actor for actor in self.actors if not actor.over and not actor.stopped]
        for actor in self.actors:
            actor.stopped = max(0, actor.stopped - 1)
        if not able:
            return any(actor.stopped for actor in self.actors)
        actor = self.chance.choice(able)
        self.turns += 1
        if actor.thread is None:
            actor.thread = greenlet(self._live)
            actor.thread.switch(actor)
        else:
            actor.thread.switch()
        if actor.thread is not None and actor.thread.dead:
            actor.thread = None
        return True

    def finish(self) -> None:
        """Nobody lives on."""
        for actor in self.actors:
            actor.over = True
            if actor.thread is not None and not actor.thread.dead:
                actor.thread.throw(Killed)
            actor.thread = None

    def _live(self, actor: Actor) -> None:
        try:
            actor.life()
            actor.over = True
        except Killed:
            self.deaths += 1
