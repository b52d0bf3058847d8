#!lua flags=allow-oom
-- Forgets runs whose time has come, with their index entries. ARGV: how many at most. Answers how many.
local due = call('ZRANGEBYSCORE', key('expiring'), '-inf', clock(), 'LIMIT', 0, tonumber(ARGV[1]))
for _, id in ipairs(due) do
  open(id)
  for _, name in ipairs({'calls', 'stages', 'next', 'outputs', 'open', 'roots', 'work', 'parked', 'events', 'log'}) do
    call('UNLINK', part(name))
  end
  for _, extra in ipairs(call('SMEMBERS', part('extra'))) do call('UNLINK', extra) end
  if fields.workflow and call('HGET', key('workflows'), fields.workflow) == id then
    call('HDEL', key('workflows'), fields.workflow)
  end
  call('UNLINK', base, part('extra'))
  call('ZREM', key('runs'), id)
  call('ZREM', key('expiring'), id)
end
return #due
