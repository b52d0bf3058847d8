#!lua flags=allow-oom
-- Repairs, at most ARGV[1] of each kind. ARGV: limit, max deaths, grace ms before a bell counts as unheard, broker prefix.
-- Answers {how many actions, bells…}.
local limit, max_deaths, grace = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local at, acted, bells, touched = clock(), 0, {}, {}

local function due(set)
  return redis.call('ZRANGEBYSCORE', key(set), '-inf', at, 'LIMIT', 0, limit)
end

local function fire(kind, run, id, record)
  if kind == 'retry' and record.state == 'ready' and not record.flying then
    park(run, id, record)
  elseif kind == 'timeout' and record.state == 'running' then
    drop_lease(run, id, record)
    fail_with(run, id, record, 'timeout', 'it ran longer than its limit of '
      .. string.format('%g', record.timeout / 1000) .. ' s; raise `timeout` or give it less to do')
  elseif kind == 'deadline' and record.state == 'held' then
    local verdict = record.otherwise == 'approve' and 'approved' or 'rejected'
    record.decision = cjson.encode({verdict = verdict, by = 'deadline', at = at / 1000, note = 'nobody decided in time'})
    redis.call('RPUSH', key('audit', 'outbox'), cjson.encode({event = verdict, run = run, stage = id, by = 'deadline', at = at / 1000}))
    if verdict == 'rejected' then redis.call('HSETNX', key('run', run), 'refusal', 'nobody approved it in time') end
    redis.call('HSET', key('run', run, 'outputs'), id, '{}')
    settle(run, id, record, verdict == 'approved' and 'done' or 'rejected')
  end
end

for _, timer in ipairs(due('timers')) do
  local kind, run, id = string.match(timer, '^(%a+)/([^/]+)/(.+)$')
  local record = load(run, id)
  redis.call('ZREM', key('timers'), timer)
  if record then fire(kind, run, id, record) end
  touched[run], acted = true, acted + 1
end

for _, member in ipairs(due('leases')) do
  local run, id = string.match(member, '^([^/]+)/(.+)$')
  local record = load(run, id)
  if record and record.state == 'running' then lose(run, id, record, max_deaths, true)
  else redis.call('ZREM', key('leases'), member) end
  touched[run], acted = true, acted + 1
end

for _, run in ipairs(redis.call('SRANDMEMBER', key('work'), 10)) do touched[run], acted = true, acted + 1 end

-- A bell is lost when a later one of its queue was heard, or when the broker's queue is empty; age alone is mere backlog.
for queue, heard in pairs((function()
  local pairs_of, flat = {}, redis.call('SMEMBERS', key('queues'))
  for _, name in ipairs(flat) do pairs_of[name] = redis.call('HGET', key('heard'), name) or '0' end
  return pairs_of
end)()) do
  local old = clock_us() - grace * 1000
  local horizon = redis.call('LLEN', ARGV[4] .. queue) == 0 and old or math.min(old, tonumber(heard) - 1)
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', key('bells', queue), '-inf', whole(horizon), 'LIMIT', 0, limit)) do
    local run, id = string.match(member, '^([^/]+)/(.+)$')
    local record = load(run, id)
    redis.call('ZREM', key('bells', queue), member)
    if record and record.state == 'ready' and record.flying then
      record.rings = (record.rings or 0) + 1
      save(run, id, record)
      local bell = {run = run, task = record.task, queue = queue, stamp = stamp(), shadow = record.shadow,
        attempt = record.attempt + 1, timeout = record.timeout, stages = {id}}
      -- each further ring waits twice as long to be missed
      local patience = grace * 1000 * (2 ^ math.min(record.rings, 8) - 1)
      redis.call('ZADD', key('bells', queue), whole(tonumber(bell.stamp) + patience), member)
      bells[#bells + 1] = bell
      acted = acted + 1
    end
  end
end

for run in pairs(touched) do
  if redis.call('EXISTS', key('run', run)) == 1 then
    work(run)
    dispatch(run, bells)
  end
end
local reply = {acted}
for _, bell in ipairs(bells) do reply[#reply + 1] = cjson.encode(bell) end
return reply
