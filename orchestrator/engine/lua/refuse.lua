#!lua flags=allow-oom
-- A worker was handed a stage that its release does not know. It stays ready and is rung again after a pause, for a newer
-- worker to hear. ARGV: run, stage, the message's task or '', fence of a claim or '', stamp, first pause ms, longest pause ms,
-- how often a claimed stage may be refused. Answers {'refused' | 'too often' | 'lost', more, bells…}.
local id, task, fence, limit = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[8])
local record = open(ARGV[1]) and load(id)
if not record then return {'lost', 0} end
call('ZADD', key('heard'), 'GT', ARGV[5], record.queue)
if record.state ~= (fence == '' and 'ready' or 'running') then return {'lost', 0} end
if fence == '' and (not record.flying or record.task ~= task) then return {'lost', 0} end
if fence ~= '' and record.fence ~= fence then return {'lost', 0} end
if fence ~= '' and (record.refused or 0) >= limit then return {'too often', 0} end
local pause = math.min(tonumber(ARGV[6]) * 2 ^ math.min(record.refused or 0, 16), tonumber(ARGV[7]))
record.refused, record.rings = (record.refused or 0) + 1, nil
save(id)
if fence ~= '' then
  drop_lease(id)
  if fields.stopping then
    settle(id, record, fields.stopping)
    return conclude('refused')
  end
  enter(id, record, 'ready')
  emit('stage', id, 'ready')
end
call('ZADD', key('bells:') .. record.queue, whole(clock_us() + pause * 1000), run .. '/' .. id)
return conclude('refused')
