#!lua flags=allow-oom
-- Stops a run. ARGV: run, by. Answers {'cancelling' | its status | 'gone', more, bells…}.
if not open(ARGV[1]) then return {'gone', 0} end
settled()
if fields.status ~= 'running' and fields.status ~= 'held' then return {fields.status, 0} end
if fields.stopping ~= 'cancelled' then
  set('stopping', 'cancelled')
  call('HSET', base, 'cancelled_by', ARGV[2])
  queue_work('stop/0')
  emit('run', '', 'cancelling')
end
return conclude('cancelling')
