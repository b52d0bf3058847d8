-- The version that was live before is live again. KEYS[1]: the namespace's prefix. ARGV: model, nonce, audit entry.
-- Answers the version, 'none' when nothing was live before, or 'restoring'. The same nonce again answers what it did the first time.
local base = KEYS[1] .. 'model:' .. ARGV[1]
local known = redis.call('HGET', base .. ':keys', 'rollback/' .. ARGV[2])
if known then
  redis.call('INCR', KEYS[1] .. 'settled')  -- durable too, before the answer
  return known
end
if redis.call('EXISTS', KEYS[1] .. 'restoring') == 1 then return 'restoring' end
local live = redis.call('HGET', base, 'production')
local before = redis.call('LINDEX', base .. ':history', -1)
if not before then return 'none' end  -- where something was live before, something is live
local now = redis.call('TIME')
redis.call('RPOP', base .. ':history')
redis.call('HSET', base .. ':stages', live, 'archived', before, 'production')
redis.call('HSET', base, 'production', before)
redis.call('HSET', base .. ':keys', 'rollback/' .. ARGV[2], before)
redis.call('RPUSH', KEYS[1] .. 'audit:outbox',
  '{"at":' .. now[1] .. ',"live_before":' .. live .. ',"version":' .. before .. ',' .. string.sub(ARGV[3], 2))
return before
