-- A version goes to another stage. KEYS[1]: the namespace's prefix. ARGV: model, version, stage, audit entry.
-- Answers 'moved', or why not: 'same' | 'missing' | 'refused' | 'live' | 'restoring'. What was live is archived, and remembered for rollback.
local base = KEYS[1] .. 'model:' .. ARGV[1]
local version, to = ARGV[2], ARGV[3]
if redis.call('EXISTS', KEYS[1] .. 'restoring') == 1 then return 'restoring' end
local stage = redis.call('HGET', base .. ':stages', version)
if not stage then return 'missing' end
if stage == to then
  redis.call('INCR', KEYS[1] .. 'settled')  -- durable too, before the answer: this one was perhaps sent again
  return 'same'
end
if stage == 'refused' then return 'refused' end
if stage == 'production' then return 'live' end
local now = redis.call('TIME')
local previous = redis.call('HGET', base, 'production')
if to == 'production' then
  if previous then
    redis.call('HSET', base .. ':stages', previous, 'archived')
    redis.call('RPUSH', base .. ':history', previous)
  end
  redis.call('HSET', base, 'production', version)
end
redis.call('HSET', base .. ':stages', version, to)
redis.call('RPUSH', KEYS[1] .. 'audit:outbox',
  '{"at":' .. now[1] .. ',"live_before":' .. (previous or 'null') .. ',"version":' .. version .. ',' .. string.sub(ARGV[4], 2))
return 'moved'
