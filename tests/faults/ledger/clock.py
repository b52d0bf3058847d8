"""Leaps in time without waiting: whatever Redis keeps with a date grows older, which is the same to every step."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import redis

    from orchestrator.store.keys import Keys

_LEAP = """#!lua flags=allow-oom
local P, ms, unseen = KEYS[1], tonumber(ARGV[1]), ARGV[2] == '1'
local call = redis.call
local function older(name, by)
  local members = call('ZRANGE', name, 0, -1)
  for _, member in ipairs(members) do call('ZINCRBY', name, -by, member) end
end
for _, member in ipairs(call('ZRANGE', P .. 'leases', 0, -1)) do
  local run, id = string.match(member, '^([^/]+)/(.+)$')
  local text = call('HGET', P .. 'run:' .. run .. ':stages', id)
  local record = text and cjson.decode(text)
  if record and record.started then
    record.started = record.started - ms
    call('HSET', P .. 'run:' .. run .. ':stages', id, cjson.encode(record))
  end
end
for _, name in ipairs({'leases', 'timers', 'condemned', 'deleted', 'expiring', 'ended'}) do older(P .. name, ms) end
for i = 3, #ARGV do older(P .. 'bells:' .. ARGV[i], ms * 1000) end
older(P .. 'heard', ms * 1000)
for name, passes in pairs({at = unseen, sparing = true}) do
  local moment = call('HGET', P .. 'ticked', name)
  if moment and passes then call('HSET', P .. 'ticked', name, string.format('%.0f', moment - ms)) end
end
for _, pattern in ipairs({'staging:*', 'cache:*', 'collecting'}) do
  for _, name in ipairs(call('KEYS', string.gsub(P, '[{}]', '\\\\%0') .. pattern)) do
    local left = call('PTTL', name)
    if left > 0 then
      if left > ms then call('PEXPIRE', name, left - ms) else call('DEL', name) end
    end
  end
end
"""


class Clock:
    """Time in one namespace."""

    def __init__(self, admin: redis.Redis, keys: Keys) -> None:
        self.admin, self.keys = admin, keys
        self.leaps: list[tuple[int, int]] = []  # (microseconds on Redis's clock, by how many of them)

    def leap(self, ms: int, *, unseen: bool = False) -> None:
        """So many milliseconds pass at once; `unseen`: Redis was away meanwhile, and nobody looked."""
        seconds, micros = self.admin.time()
        self.leaps.append((seconds * 1_000_000 + micros, ms * 1000))
        self.admin.eval(_LEAP, 1, self.keys.prefix, ms, int(unseen), "ops", "train")

    def now_ms(self) -> int:
        """Redis's clock."""
        seconds, micros = self.admin.time()
        return int(seconds * 1000 + micros // 1000)

    def aged(self, stamp: str) -> str:
        """What a stamp of before would read now."""
        return str(int(stamp) - sum(by for at, by in self.leaps if at > int(stamp)))
