#!lua flags=allow-oom
-- Records a stage's outputs, once. ARGV: run, stage, fence, outputs, cache record, cache ms (0: for ever), facts, then:
-- number of digests, digests…, number of keys, keys…, expansion nonce or '', its stages.
-- Answers {'done' | 'again' | 'lost' | 'deleting' | 'staging lost', more, bells…}.
local id, fence = ARGV[2], ARGV[3]
local record = open(ARGV[1]) and load(id)
if not record or record.fence ~= fence then return {'lost', 0} end
if record.state == 'done' then return conclude('again') end
if record.state ~= 'running' then return {'lost', 0} end
local facts = cjson.decode(ARGV[7])
local digests = tonumber(ARGV[8])
if call('EXISTS', key('deleting')) == 1 then
  for i = 9, 8 + digests do
    if call('SISMEMBER', key('deleting'), ARGV[i]) == 1 then return {'deleting', 0} end
  end
end
if call('EXISTS', key('deleted')) == 1 then  -- it was put, or found, before it was deleted
  for i = 9, 8 + digests do
    if tonumber(call('ZSCORE', key('deleted'), ARGV[i]) or '0') >= record.started then return {'deleting', 0} end
  end
end
local position = 9 + digests
local keys = tonumber(ARGV[position])
local nonce = ARGV[position + keys + 1]
if nonce ~= '' and call('ZCARD', key('staging:') .. nonce .. ':ids') ~= tonumber(ARGV[position + keys + 2]) then
  return {'staging lost', 0}  -- it expired, or the beginning of it did
end
if call('EXISTS', key('condemned')) == 1 then
  for i = 9, 8 + digests do call('ZREM', key('condemned'), ARGV[i]) end
end
for i = position + 1, position + keys do
  if ARGV[6] == '0' then call('SET', key('cache:') .. ARGV[i], ARGV[5])
  else call('SET', key('cache:') .. ARGV[i], ARGV[5], 'PX', ARGV[6]) end
end
call('HSET', part('outputs'), id, ARGV[4])
record.seconds, record.cached, record.measured, record.log = facts.seconds, facts.cached, facts.measured, facts.log
record.progress, record.error = nil, nil
if facts.refusal and not fields.refusal then set('refusal', facts.refusal) end
if facts.ends and not fields.stopping then  -- nothing is to be spent on this run any more
  set('stopping', 'skipped')
  queue_work('stop/0')
end
if nonce ~= '' and not fields.stopping then expand(nonce) end  -- a run that is being stopped grows no more
drop_lease(id)
settle(id, record, 'done')
return conclude('done')
