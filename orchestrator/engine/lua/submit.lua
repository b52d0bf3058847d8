-- Makes a staged submission visible: the one flip. ARGV: staging nonce, run, plan digest, new (0 | 1), generation, epoch of
-- collection that the hits were read in, fields of the run as JSON, audit entry or '', then the digests that its calls name…
-- Answers {'accepted' | 'again' | 'attached' | 'exists' | 'collected' | 'open', more or run, bells…}.
local nonce, run, digest, generation = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[5])
local before = redis.call('HMGET', key('run', run), 'nonce', 'status', 'generation')
if before[1] == nonce then return conclude(run, 'again') end
if generation == 1 then
  local active = redis.call('GET', key('identity', digest))
  if ARGV[4] == '0' and active and redis.call('SISMEMBER', key('active'), active) == 1 then return {'attached', active} end
  if before[1] then return {'exists', run} end
else
  if not before[1] then return {'gone', run} end
  if before[2] == 'running' or before[2] == 'held' then return {'open', run} end
  if tonumber(before[3]) ~= generation - 1 then return {'exists', run} end
end
if (redis.call('GET', key('epoch')) or '0') ~= ARGV[6] then return {'collected', run} end
for i = 9, #ARGV do
  if redis.call('SISMEMBER', key('deleting'), ARGV[i]) == 1 then return {'deleting', ARGV[i]} end
end
if redis.call('EXISTS', key('staging', nonce, 'calls')) == 0 then return {'staging lost', run} end
local fresh = redis.call('HGET', key('run', run), 'created')
redis.call('DEL', key('run', run))
for _, part in ipairs({'calls', 'stages', 'next', 'outputs', 'open', 'roots'}) do
  if redis.call('EXISTS', key('staging', nonce, part)) == 1 then
    redis.call('RENAME', key('staging', nonce, part), key('run', run, part))
    redis.call('PERSIST', key('run', run, part))
  else
    redis.call('UNLINK', key('run', run, part))
  end
end
redis.call('UNLINK', key('run', run, 'work'), key('run', run, 'parked'))
local created = fresh or whole(clock())
redis.call('HSET', key('run', run), 'nonce', nonce, 'status', 'running', 'created', created, 'identity', digest,
  'generation', generation, 'busy', 0, 'held', 0, 'flight', 0)
for field, value in pairs(cjson.decode(ARGV[7])) do redis.call('HSET', key('run', run), field, value) end
for i = 9, #ARGV do redis.call('ZREM', key('condemned'), ARGV[i]) end
redis.call('ZADD', key('runs'), created, run)
redis.call('SADD', key('active'), run)
redis.call('ZREM', key('ended'), run)
redis.call('ZREM', key('expiring'), run)
redis.call('SET', key('identity', digest), run)
redis.call('HSET', key('workflows'), run_field(run, 'workflow'), run)
if ARGV[8] ~= '' then redis.call('RPUSH', key('audit', 'outbox'), ARGV[8]) end
emit(run, 'run', '', 'running')
queue_work(run, 'start/')
return conclude(run, 'accepted')
