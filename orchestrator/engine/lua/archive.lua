#!lua flags=allow-oom
-- A run's manifest is in the store: from now on it may expire. ARGV: run, generation, ms that it stays.
if not open(ARGV[1]) or fields.generation ~= ARGV[2] then return 0 end
call('ZREM', key('ended'), run)
call('ZADD', key('expiring'), clock() + tonumber(ARGV[3]), run)
return 1
