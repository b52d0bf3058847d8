#!lua flags=allow-oom
-- Goes on with the graph work of a run. ARGV: run.
if not open(ARGV[1]) then
  call('SREM', key('work'), ARGV[1])
  return {'gone', 0}
end
return conclude('swept')
