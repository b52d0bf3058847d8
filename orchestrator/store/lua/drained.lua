#!lua flags=allow-oom
-- Entries of the outbox are in the store. KEYS[1]: the namespace's prefix. ARGV: how many were drained before, how many now.
-- Answers 1; 0 when another drain was first. With a negative second number the count alone is set, to its opposite: the
-- store was ahead, so this Redis has lost what stands between; that is noted for whoever relies on its knowing all.
local counter = KEYS[1] .. 'audit:drained'
local before = redis.call('GET', counter) or '0'
if before ~= ARGV[1] then return 0 end
local number = tonumber(ARGV[2])
if number < 0 then
  redis.call('HSETNX', KEYS[1] .. 'audit:missed', 'after', before)
  redis.call('HSET', KEYS[1] .. 'audit:missed', 'up_to', string.format('%d', -number))
  redis.call('SET', counter, string.format('%d', -number))
else
  redis.call('LTRIM', KEYS[1] .. 'audit:outbox', number, -1)
  redis.call('INCRBY', counter, number)
end
return 1
