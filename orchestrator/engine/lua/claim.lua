#!lua flags=allow-oom
-- Takes a ready stage under a lease. ARGV: run, stage, nonce, worker, host, pid, stamp, lease ms, and the
-- name of the message that rang, or '': one that an earlier generation's stage was rung by is not this stage's.
-- Answers {'claimed', call, record, refusal, author, seed, needed outputs as id, text, …} or {why not}.
-- The same nonce gets the same answer.
if not open(ARGV[1]) then return {'gone'} end
local id, nonce = ARGV[2], ARGV[3]
local record = load(id)
if not record then return {'gone'} end
if ARGV[9] ~= '' and record.task ~= ARGV[9] then return {'another task'} end
silence(id, record)
call('ZADD', key('heard'), 'GT', ARGV[7], record.queue)
if not (record.state == 'running' and record.nonce == nonce) then
  if record.state ~= 'ready' then return {record.state} end
  if not record.flying then return {'parked'} end  -- an old bell of a stage that backs off or waits its turn
  record.nonce = nonce
  record.fence = nonce .. ':' .. call('INCR', key('fences'))
  record.attempt = record.attempt + 1
  record.worker, record.host, record.pid, record.started = ARGV[4], ARGV[5], ARGV[6], clock()
  record.finished, record.progress = nil, nil
  call('ZADD', key('leases'), lease_end(record, tonumber(ARGV[8])), run .. '/' .. id)
  enter(id, record, 'running')
  close()
end
local reply = {'claimed', call('HGET', part('calls'), id), cjson.encode(record),
  fields.refusal or '', fields.author or '', fields.seed or '0'}
for _, need in ipairs(record.needs or {}) do
  reply[#reply + 1] = need
  reply[#reply + 1] = call('HGET', part('outputs'), need) or '{}'
end
return reply
