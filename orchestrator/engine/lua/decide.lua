-- A person's answer to a held stage. ARGV: run, stage, verdict (approved | rejected), decision JSON, refusal text, audit entry.
-- Answers {'decided' | 'again' | its state | 'gone', more, bells…}.
local run, id, verdict = ARGV[1], ARGV[2], ARGV[3]
local record = load(run, id)
if not record then return {'gone', 0} end
if record.decision == ARGV[4] then return conclude(run, 'again') end
if record.state ~= 'held' then return {record.state, 0} end
redis.call('ZREM', key('timers'), 'deadline/' .. run .. '/' .. id)
redis.call('RPUSH', key('audit', 'outbox'), ARGV[6])
record.decision = ARGV[4]
if verdict == 'rejected' then redis.call('HSETNX', key('run', run), 'refusal', ARGV[5]) end
redis.call('HSET', key('run', run, 'outputs'), id, '{}')
settle(run, id, record, verdict == 'approved' and 'done' or 'rejected')
return conclude(run, 'decided')
