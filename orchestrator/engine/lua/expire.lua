#!lua flags=allow-oom
-- Forgets runs whose time has come, with their index entries. ARGV: how many at most. Answers how many.
local due = redis.call('ZRANGEBYSCORE', key('expiring'), '-inf', clock(), 'LIMIT', 0, tonumber(ARGV[1]))
for _, run in ipairs(due) do
  for _, part in ipairs({'calls', 'stages', 'next', 'outputs', 'open', 'roots', 'work', 'parked', 'events', 'log'}) do
    redis.call('UNLINK', key('run', run, part))
  end
  for _, extra in ipairs(redis.call('SMEMBERS', key('run', run, 'extra'))) do redis.call('UNLINK', extra) end
  local workflow = run_field(run, 'workflow')
  if workflow and redis.call('HGET', key('workflows'), workflow) == run then redis.call('HDEL', key('workflows'), workflow) end
  redis.call('UNLINK', key('run', run), key('run', run, 'extra'))
  redis.call('ZREM', key('runs'), run)
  redis.call('ZREM', key('expiring'), run)
end
return #due
