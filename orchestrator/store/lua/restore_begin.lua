-- Takes the right to restore into a namespace that knows of no runs and models. KEYS[1]: the namespace's prefix.
-- ARGV: nonce, ms that the right lasts unless it is renewed, 1 to look only, prefix of the doctor's runs.
-- Answers 'begun', or why not: 'occupied' | 'busy'. What a killed restore left behind is taken over.
local base = KEYS[1]
local now = redis.call('TIME')
local at = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
if redis.call('EXISTS', base .. 'restoring') == 1 then
  local holder = redis.call('HMGET', base .. 'restoring', 'nonce', 'until')
  if holder[1] ~= ARGV[1] and tonumber(holder[2]) > at then return 'busy' end
else
  if redis.call('SCARD', base .. 'models') > 0 then return 'occupied' end
  for _, run in ipairs(redis.call('ZRANGE', base .. 'runs', 0, -1)) do
    if string.sub(run, 1, #ARGV[4]) ~= ARGV[4] then return 'occupied' end
  end
end
if ARGV[3] == '1' then return 'begun' end
redis.call('HSET', base .. 'restoring', 'nonce', ARGV[1], 'until', string.format('%d', at + tonumber(ARGV[2])))
return 'begun'
