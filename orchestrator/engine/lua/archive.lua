#!lua flags=allow-oom
-- A run's manifest is in the store: from now on it may expire. ARGV: run, generation, ms that it stays.
if run_field(ARGV[1], 'generation') ~= ARGV[2] then return 0 end
redis.call('ZREM', key('ended'), ARGV[1])
redis.call('HSET', key('run', ARGV[1]), 'archived', 1)
redis.call('ZADD', key('expiring'), clock() + tonumber(ARGV[3]), ARGV[1])
return 1
