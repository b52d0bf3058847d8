#!lua flags=allow-oom
-- Renews leases. ARGV: lease ms, then run, stage, fence, progress (or '') for each. Answers held, cancelled or lost for each.
local reply = {}
for i = 2, #ARGV, 4 do
  local id, fence, progress = ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local record = open(ARGV[i]) and load(id)
  if not record or record.state ~= 'running' or record.fence ~= fence then
    reply[#reply + 1] = 'lost'
  else
    call('ZADD', key('leases'), lease_end(record, tonumber(ARGV[1])), run .. '/' .. id)
    if progress ~= '' and tonumber(progress) ~= record.progress then
      record.progress = tonumber(progress)
      save(id)
      emit('progress', id, progress)
    end
    if record.spared then
      record.spared = nil
      save(id)
    end
    close()
    reply[#reply + 1] = fields.stopping and 'cancelled' or 'held'
  end
end
return reply
