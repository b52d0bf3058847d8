#!lua flags=allow-oom
-- Records a stage's outputs, once. ARGV: run, stage, fence, outputs, cache record, cache ms (0: for ever), facts, then:
-- number of digests, digests…, number of keys, keys…, expansion nonce or ''.
-- Answers {'done' | 'again' | 'lost' | 'deleting', more, bells…}.
local run, id, fence = ARGV[1], ARGV[2], ARGV[3]
local record = load(run, id)
if not record or record.fence ~= fence then return {'lost', 0} end
if record.state == 'done' then return conclude(run, 'again') end
if record.state ~= 'running' then return {'lost', 0} end
local facts = cjson.decode(ARGV[7])
local position, digests, keys = 8, tonumber(ARGV[8]), {}
for i = position + 1, position + digests do
  if redis.call('SISMEMBER', key('deleting'), ARGV[i]) == 1 then return {'deleting', 0} end
end
for i = position + 1, position + digests do redis.call('ZREM', key('condemned'), ARGV[i]) end
position = position + digests + 1
for i = position + 1, position + tonumber(ARGV[position]) do
  if ARGV[6] == '0' then redis.call('SET', key('cache', ARGV[i]), ARGV[5])
  else redis.call('SET', key('cache', ARGV[i]), ARGV[5], 'PX', ARGV[6]) end
end
local nonce = ARGV[position + tonumber(ARGV[position]) + 1]
redis.call('HSET', key('run', run, 'outputs'), id, ARGV[4])
record.seconds, record.cached, record.measured, record.log = facts.seconds, facts.cached, facts.measured, facts.log
record.progress, record.error = nil, nil
if facts.refusal then redis.call('HSETNX', key('run', run), 'refusal', facts.refusal) end
if nonce ~= '' then expand(run, nonce) end
drop_lease(run, id, record)
settle(run, id, record, 'done')
return conclude(run, 'done')
