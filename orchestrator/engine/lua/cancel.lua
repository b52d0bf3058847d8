#!lua flags=allow-oom
-- Stops a run. ARGV: run, by. Answers {'cancelling' | its status | 'gone', more, bells…}.
local run = ARGV[1]
local status = run_field(run, 'status')
if not status then return {'gone', 0} end
if status ~= 'running' and status ~= 'held' then return {status, 0} end
if run_field(run, 'stopping') ~= 'cancelled' then
  redis.call('HSET', key('run', run), 'stopping', 'cancelled', 'cancelled_by', ARGV[2])
  queue_work(run, 'stop/0')
  emit(run, 'run', '', 'cancelling')
end
return conclude(run, 'cancelling')
