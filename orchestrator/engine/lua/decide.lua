-- A person's answer to a held stage. ARGV: run, stage, verdict (approved | rejected), decision JSON, refusal text, audit entry.
-- Answers {'decided' | 'again' | its state | 'gone', more, bells…}.
local id, verdict = ARGV[2], ARGV[3]
local record = open(ARGV[1]) and load(id)
if not record then return {'gone', 0} end
if record.decision == ARGV[4] then return conclude_again() end
if record.state ~= 'held' then return {record.state, 0} end
call('ZREM', key('timers'), 'deadline/' .. run .. '/' .. id)
call('RPUSH', key('audit:outbox'), ARGV[6])
record.decision = ARGV[4]
if verdict == 'rejected' and not fields.refusal then set('refusal', ARGV[5]) end
settle(id, record, verdict == 'approved' and 'done' or 'rejected')
return conclude('decided')
