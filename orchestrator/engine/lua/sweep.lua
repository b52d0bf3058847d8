#!lua flags=allow-oom
-- Goes on with the graph work of a run. ARGV: run.
if redis.call('EXISTS', key('run', ARGV[1])) == 0 then
  redis.call('SREM', key('work'), ARGV[1])
  return {'gone', 0}
end
return conclude(ARGV[1], 'swept')
