#!lua flags=allow-oom
-- Records a failure. ARGV: run, stage, fence, error JSON, family, log or '', seconds, jitter (0.5 to 1.5),
-- 'outage' where not the stage but what surrounds it failed: that counts apart.
-- A transient one is tried again after backoff while attempts are left. Answers {'failed' | 'retry' | 'lost', more, bells…}.
local OUTAGES = 1500  -- of the longest pause: a day at least
local id, family = ARGV[2], ARGV[5]
local record = open(ARGV[1]) and load(id)
if not record or record.fence ~= ARGV[3] or record.state ~= 'running' then return {'lost', 0} end
drop_lease(id)
record.seconds = tonumber(ARGV[7])
if ARGV[6] ~= '' then record.log = ARGV[6] end
if family == 'cancelled' then
  lose(id, record, 0, false)  -- ready again where Redis has lost the cancel, with its power: nobody was told of it
  return conclude('failed')
end
record.error = ARGV[4]
local tried, most, first = nil, nil, record.backoff
if ARGV[9] == 'outage' then
  record.outages = (record.outages or 0) + 1
  tried, most, first = record.outages, OUTAGES, math.max(first, 1000)
else
  record.tries = (record.tries or 0) + 1
  tried, most = record.tries, record.attempts
end
if family == 'transient' and tried < most then
  if fields.stopping then
    settle(id, record, fields.stopping)
    return conclude('failed')
  end
  local wait = math.min(first * 2 ^ (math.min(tried, 20) - 1), 60000) * tonumber(ARGV[8])
  land(record)
  enter(id, record, 'ready')
  call('ZADD', key('timers'), clock() + math.floor(wait), 'retry/' .. run .. '/' .. id)
  emit('stage', id, 'ready')
  return conclude('retry')
end
settle(id, record, 'failed')
return conclude('failed')
