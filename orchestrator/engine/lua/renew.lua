#!lua flags=allow-oom
-- Renews leases. ARGV: lease ms, then run, stage, fence, progress (or '') for each. Answers held, cancelled or lost for each.
local reply = {}
for i = 2, #ARGV, 4 do
  local run, id, fence, progress = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local record = load(run, id)
  if not record or record.state ~= 'running' or record.fence ~= fence then
    reply[#reply + 1] = 'lost'
  else
    redis.call('ZADD', key('leases'), clock() + tonumber(ARGV[1]), run .. '/' .. id)
    if progress ~= '' and tonumber(progress) ~= record.progress then
      record.progress = tonumber(progress)
      save(run, id, record)
      emit(run, 'progress', id, progress)
    end
    reply[#reply + 1] = run_field(run, 'stopping') and 'cancelled' or 'held'
  end
end
return reply
