-- Makes a staged submission visible: the one flip. ARGV: staging nonce, run, plan digest, new (0 | 1), generation, epoch of
-- collection that the hits were read in, fields of the run as JSON, audit entry, then the digests that its calls name…
-- Answers {'accepted' | 'again' | 'attached' | 'exists' | 'collected' | 'open' | …, more or run, bells…}.
local nonce, id, digest, generation = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[5])
local known = open(id)
if fields.nonce == nonce then return conclude_again() end
if call('EXISTS', key('restoring')) == 1 then return {'restoring', id} end
if generation == 1 then
  local active = call('GET', key('identity:') .. digest)
  if ARGV[4] == '0' and active then
    settled()
    return {'attached', active}
  end
  if known then return {'exists', id} end
else
  if not known then return {'gone', id} end
  if fields.status == 'running' or fields.status == 'held' then return {'open', id} end
  if tonumber(fields.generation) ~= generation - 1 then return {'exists', id} end
end
if (call('GET', key('epoch')) or '0') ~= ARGV[6] then return {'collected', id} end
for i = 9, #ARGV do
  if call('SISMEMBER', key('deleting'), ARGV[i]) == 1 then return {'deleting', ARGV[i]} end
end
local staged = key('staging:') .. nonce .. ':'
local told = cjson.decode(ARGV[7])
-- Whoever staged was halted for so long that the beginning of it expired: what is left is not the plan.
if call('HLEN', staged .. 'stages') ~= tonumber(told.total) then return {'staging lost', id} end
call('SET', key('format'), FORMAT, 'NX')
local created = known and call('HGET', base, 'created') or whole(clock())
call('DEL', base)
for _, name in ipairs({'calls', 'stages', 'next', 'outputs', 'open', 'roots'}) do
  if call('EXISTS', staged .. name) == 1 then
    call('RENAME', staged .. name, part(name))
    call('PERSIST', part(name))
  else
    call('UNLINK', part(name))
  end
end
call('UNLINK', part('work'), part('parked'))
for _, extra in ipairs(call('SMEMBERS', part('extra'))) do call('UNLINK', extra) end
call('UNLINK', part('extra'))
call('HSET', base, 'nonce', nonce, 'status', 'running', 'created', created, 'identity', digest, 'generation', generation,
  'left', call('SCARD', part('open')))
for field, value in pairs(told) do call('HSET', base, field, value) end
for i = 9, #ARGV do call('ZREM', key('condemned'), ARGV[i]) end
open(id)
call('ZADD', key('runs'), created, id)
call('SADD', key('active'), id)
call('ZADD', key('submitted'), clock(), id .. '@' .. generation)
call('ZREM', key('ended'), id)
call('ZREM', key('expiring'), id)
call('SET', key('identity:') .. digest, id)
call('HSET', key('workflows'), fields.workflow, id)
call('RPUSH', key('audit:outbox'), ARGV[8])
emit('run', '', 'running')
queue_work('start/')
return conclude('accepted')
