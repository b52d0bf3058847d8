-- Test rows are judged. KEYS[1]: the namespace's prefix. ARGV: objective, idempotency key, how many judgements the caller
-- goes by, record JSON, audit entry.
-- Answers the record; the same key again answers its first one. 'changed': there are others by now; 'restoring'.
local looks = KEYS[1] .. 'looks:' .. ARGV[1]
local known = redis.call('HGET', looks, ARGV[2])
if known then
  redis.call('INCR', KEYS[1] .. 'settled')  -- durable too, before the answer
  return known
end
if redis.call('EXISTS', KEYS[1] .. 'restoring') == 1 then return 'restoring' end
if redis.call('HLEN', looks) ~= tonumber(ARGV[3]) then return 'changed' end
local now = redis.call('TIME')
redis.call('HSET', looks, ARGV[2], ARGV[4])
redis.call('RPUSH', KEYS[1] .. 'audit:outbox', '{"at":' .. now[1] .. ',' .. string.sub(ARGV[5], 2))
return ARGV[4]
