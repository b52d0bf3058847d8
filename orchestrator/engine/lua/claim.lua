#!lua flags=allow-oom
-- Takes a ready stage under a lease. ARGV: run, stage, nonce, worker, host, pid, stamp, lease ms.
-- Answers {'claimed', call, record, refusal, needed outputs as id, text, …} or {why not}. The same nonce gets the same answer.
local run, id, nonce = ARGV[1], ARGV[2], ARGV[3]
local record = load(run, id)
if not record then return {'gone'} end
local member = run .. '/' .. id
redis.call('ZREM', key('bells', record.queue), member)
local heard = redis.call('HGET', key('heard'), record.queue)
if ARGV[7] ~= '' and (not heard or tonumber(ARGV[7]) > tonumber(heard)) then
  redis.call('HSET', key('heard'), record.queue, ARGV[7])
end
local again = record.state == 'running' and record.nonce == nonce
if not again then
  if record.state ~= 'ready' then return {record.state} end
  if not record.flying then  -- an old bell of a stage that backs off or is parked
    return {'parked'}
  end
  local at = clock()
  record.nonce = nonce
  record.fence = nonce .. ':' .. redis.call('INCR', key('fences'))
  record.attempt = record.attempt + 1
  record.worker, record.host, record.pid, record.started = ARGV[4], ARGV[5], ARGV[6], at
  record.finished, record.progress = nil, nil
  redis.call('ZADD', key('leases'), at + tonumber(ARGV[8]), member)
  redis.call('HSET', key('host', record.host), member, record.pid)
  if record.timeout then
    redis.call('ZADD', key('timers'), at + record.timeout + tonumber(ARGV[8]), 'timeout/' .. member)
  end
  enter(run, id, record, 'running')
end
local fields = redis.call('HMGET', key('run', run), 'refusal', 'author', 'seed')
local reply = {'claimed', redis.call('HGET', key('run', run, 'calls'), id), cjson.encode(record),
  fields[1] or '', fields[2] or '', fields[3] or '0'}
for _, need in ipairs(record.needs or {}) do
  reply[#reply + 1] = need
  reply[#reply + 1] = redis.call('HGET', key('run', run, 'outputs'), need) or '{}'
end
return reply
