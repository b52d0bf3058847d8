-- Commands of a restore, done only while it holds the right to. KEYS[1]: the namespace's prefix. ARGV: nonce, ms that the
-- right lasts from now, then for each command: how many words, words…
-- Answers 1; 0 when the right has gone to another, and then nothing is done.
local restoring = KEYS[1] .. 'restoring'
if redis.call('HGET', restoring, 'nonce') ~= ARGV[1] then return 0 end
local now = redis.call('TIME')
local at = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
redis.call('HSET', restoring, 'until', string.format('%d', at + tonumber(ARGV[2])))
local position = 3
while ARGV[position] do
  local words = tonumber(ARGV[position])
  redis.call(unpack(ARGV, position + 1, position + words))
  position = position + words + 1
end
return 1
