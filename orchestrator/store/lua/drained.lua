-- Entries of the outbox are in the store. KEYS[1]: the namespace's prefix. ARGV: how many were drained before, how many now.
-- Answers 1; 0 when another drain was first. With a negative second number the count alone is set, to its opposite.
local counter = KEYS[1] .. 'audit:drained'
if (redis.call('GET', counter) or '0') ~= ARGV[1] then return 0 end
local number = tonumber(ARGV[2])
if number < 0 then
  redis.call('SET', counter, string.format('%d', -number))
else
  redis.call('LTRIM', KEYS[1] .. 'audit:outbox', number, -1)
  redis.call('INCRBY', counter, number)
end
return 1
