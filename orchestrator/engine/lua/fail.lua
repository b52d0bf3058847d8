#!lua flags=allow-oom
-- Records a failure. ARGV: run, stage, fence, error JSON, family, log or '', seconds, jitter (0.5 to 1.5).
-- A transient one is tried again after backoff while attempts are left. Answers {'failed' | 'retry' | 'lost', more, bells…}.
local run, id, fence, family = ARGV[1], ARGV[2], ARGV[3], ARGV[5]
local record = load(run, id)
if not record or record.fence ~= fence or record.state ~= 'running' then return {'lost', 0} end
drop_lease(run, id, record)
record.error, record.seconds = ARGV[4], tonumber(ARGV[7])
if ARGV[6] ~= '' then record.log = ARGV[6] end
record.tries = (record.tries or 0) + 1
local stopping = run_field(run, 'stopping')
if family == 'cancelled' and stopping then
  record.error = nil
  settle(run, id, record, stopping)
  return conclude(run, 'failed')
end
if family == 'transient' and record.tries < record.attempts and not stopping then
  local wait = math.min(record.backoff * 2 ^ (record.tries - 1), 60000) * tonumber(ARGV[8])
  land(run, id, record)
  enter(run, id, record, 'ready')
  redis.call('ZADD', key('timers'), clock() + math.floor(wait), 'retry/' .. run .. '/' .. id)
  emit(run, 'stage', id, 'ready')
  return conclude(run, 'retry')
end
settle(run, id, record, 'failed')
return conclude(run, 'failed')
