#!lua flags=allow-oom
-- Repairs, at most ARGV[1] of each kind. ARGV: limit, max deaths, grace ms before a bell counts as unheard, lease ms.
-- Answers {how many actions, bells…}.
local limit, max_deaths, grace_us = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]) * 1000
local at, acted, bells = clock(), 0, {}

-- Nobody looked for half a lease: Redis was away, or the service was. Meanwhile no living worker could renew, and what
-- has ended waits to be recorded: each lease that ran out is spared once, until its owner had the time to speak.
local lease, looked = tonumber(ARGV[4]), tonumber(call('HGET', key('ticked'), 'at') or whole(at))
if at - looked > lease / 2 then call('HSET', key('ticked'), 'sparing', whole(at + lease / 2)) end
call('HSET', key('ticked'), 'at', whole(at))
local sparing = at < tonumber(call('HGET', key('ticked'), 'sparing') or '0')

local function due(name) return call('ZRANGEBYSCORE', key(name), '-inf', at, 'LIMIT', 0, limit) end

local function ended()  -- one repaired run: its graph work, its window, its records
  acted = acted + 1
  work()
  dispatch(bells)
  close()
end

local fire = {}  -- a timer goes with what it waits for: whoever moves the stage takes it away

function fire.retry(id, record)
  park(id, record)
end

function fire.deadline(id, record)
  local verdict = record.otherwise == 'approve' and 'approved' or 'rejected'
  local note = 'nobody decided in time'
  record.decision = cjson.encode({verdict = verdict, by = 'deadline', at = at / 1000, note = note})
  call('RPUSH', key('audit:outbox'),
    cjson.encode({event = verdict, run = run, stage = id, by = 'deadline', at = at / 1000, note = note}))
  if verdict == 'rejected' and not fields.refusal then set('refusal', 'nobody approved it in time') end
  settle(id, record, verdict == 'approved' and 'done' or 'rejected')
end

for _, timer in ipairs(due('timers')) do
  local kind, owner, id = string.match(timer, '^(%a+)/([^/]+)/(.+)$')
  call('ZREM', key('timers'), timer)
  local record = open(owner) and load(id)
  if record then
    fire[kind](id, record)
    ended()
  end
end

for _, member in ipairs(due('leases')) do
  local owner, id = string.match(member, '^([^/]+)/(.+)$')
  local record = open(owner) and load(id)
  if not record or record.state ~= 'running' then
    call('ZREM', key('leases'), member)
  else
    if sparing and record.spared ~= record.fence then
      record.spared = record.fence
      save(id)
      call('ZADD', key('leases'), at + lease, member)
    elseif at >= record.started + record.timeout then
      out_of_time(id, record)
    else
      lose(id, record, max_deaths, true)
    end
    ended()
  end
end

-- A bell is lost when a later one of its queue was heard, or when the broker's queue is empty; age alone is mere backlog.
for _, queue in ipairs(call('SMEMBERS', key('queues'))) do
  local old = clock_us() - grace_us
  local heard = tonumber(call('ZSCORE', key('heard'), queue) or '0')
  local horizon = call('LLEN', key(queue)) == 0 and old or math.min(old, heard - 1)
  for _, member in ipairs(call('ZRANGEBYSCORE', key('bells:') .. queue, '-inf', whole(horizon), 'LIMIT', 0, limit)) do
    local owner, id = string.match(member, '^([^/]+)/(.+)$')
    local record = open(owner) and load(id)
    if record and record.state == 'ready' and record.flying then
      record.rings = (record.rings or 0) + 1
      local bell = bell_for(id, record, 0)
      bell.stages = {id}
      -- each further ring waits twice as long to be missed
      local patience = grace_us * (2 ^ math.min(record.rings, 8) - 1)
      call('ZADD', key('bells:') .. queue, whole(tonumber(bell.stamp) + patience), member)
      bells[#bells + 1] = bell
      ring(bell)
      save(id)
      close()
      acted = acted + 1
    else
      call('ZREM', key('bells:') .. queue, member)
    end
  end
end

local reply = {acted}
for _, bell in ipairs(bells) do reply[#reply + 1] = cjson.encode(bell) end
return reply
