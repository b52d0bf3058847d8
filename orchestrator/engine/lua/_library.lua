-- What the ledger's steps share. Each step runs alone and is never rolled back: it validates before its first write.
-- KEYS[1] is the namespace's prefix, "{namespace}:"; one hash tag, so that a step may touch run, cache and audit together.
-- A stage's record is JSON of what moves; what never moves (its call) is opaque text in another hash.
-- A step opens one run, changes its fields and records in memory, and writes them once, by `close`.

local P = KEYS[1]
local CHUNK = 500          -- successors, roots or stopped stages that one step handles at most
local EVENTS = 20000       -- entries of a run's stream

local call = redis.call

local function key(name) return P .. name end

local function clock_us()
  local t = call('TIME')
  return tonumber(t[1]) * 1000000 + tonumber(t[2])
end

local function clock() return math.floor(clock_us() / 1000) end

local function whole(number) return string.format('%.0f', number) end

-- The open run.
local run, base              -- its id, and the prefix of its keys
local fields, changed        -- what its hash says, and which of it this step changed
local records, touched       -- stages by id, as far as this step met them, and those to write

local FIELDS = {'status', 'stopping', 'refusal', 'failed', 'on_failure', 'busy', 'held', 'left', 'done', 'flight',
  'max_parallel', 'identity', 'generation', 'nonce', 'author', 'seed', 'workflow', 'working'}
local COUNTERS = {busy = true, held = true, left = true, done = true, flight = true}

-- Opens a run; false when there is none.
local function open(id)
  run, base = id, P .. 'run:' .. id
  fields, changed, records, touched = {}, {}, {}, {}
  local values = call('HMGET', base, unpack(FIELDS))
  for i, name in ipairs(FIELDS) do
    local value = values[i]
    if COUNTERS[name] then value = tonumber(value or '0') end
    fields[name] = value
  end
  return fields.status and true or false
end

local function part(name) return base .. ':' .. name end

local function set(name, value)
  fields[name] = value
  changed[name] = true
end

local function add(name, amount) set(name, fields[name] + amount) end

local function load(id)
  local record = records[id]
  if record == nil then
    local text = call('HGET', part('stages'), id)
    record = text and cjson.decode(text)
    records[id] = record
  end
  return record
end

local function save(id) touched[id] = true end

local function emit(kind, stage, state)
  call('XADD', part('events'), 'MAXLEN', '~', EVENTS, '*', 'kind', kind, 'stage', stage, 'state', state)
end

-- Writes what this step changed of the run, at once.
local function close()
  local flat = {}
  for id in pairs(touched) do
    flat[#flat + 1] = id
    flat[#flat + 1] = cjson.encode(records[id])
    if #flat >= 2000 then call('HSET', part('stages'), unpack(flat)); flat = {} end
  end
  if #flat > 0 then call('HSET', part('stages'), unpack(flat)) end
  flat = {}
  for name in pairs(changed) do
    if fields[name] then
      flat[#flat + 1] = name
      flat[#flat + 1] = COUNTERS[name] and whole(fields[name]) or fields[name]
    else
      call('HDEL', base, name)
    end
  end
  if #flat > 0 then call('HSET', base, unpack(flat)) end
  changed, touched = {}, {}
end

-- A stage's new state: the run's counters follow, so that its status needs no search.
local function enter(id, record, state)
  local before = record.state
  local was, is = before == 'ready' or before == 'running', state == 'ready' or state == 'running'
  if was ~= is then add('busy', is and 1 or -1) end
  if (before == 'held') ~= (state == 'held') then add('held', state == 'held' and 1 or -1) end
  record.state = state
  save(id)
  if state ~= 'ready' then emit('stage', id, state) end
end

-- Ready stages stand in `parked` until the run's window has room: so runs take turns. New ones are kept in memory first.
local fresh = {}

local function park(id, record, front)
  enter(id, record, 'ready')
  if front then call('LPUSH', part('parked'), id) else fresh[#fresh + 1] = id end
end

-- A stage leaves the window: it ended, or goes back to wait; whoever asks for it saves the record.
local function land(record)
  if record.flying then
    add('flight', -record.flying)
    record.flying = nil
  end
end

local function silence(id, record) call('ZREM', P .. 'bells:' .. record.queue, run .. '/' .. id) end

local function drop_lease(id) call('ZREM', P .. 'leases', run .. '/' .. id) end

-- Graph work of the run that is left to do: in memory first, in the run's list when a step has done its share.
local todo = {}

local function queue_work(item) todo[#todo + 1] = item end

-- A stage's end. Where the whole run is being stopped its successors are stopped by that, not one by one.
local function settle(id, record, state)
  silence(id, record)
  land(record)
  record.finished = clock()
  enter(id, record, state)
  call('SREM', part('open'), id)
  add('left', -1)
  if state == 'done' then add('done', 1) end
  local broken = state == 'failed' and not record.tolerate
  if broken and not fields.failed then set('failed', id) end
  if fields.stopping then return end
  if broken and fields.on_failure == 'stop' then
    set('stopping', 'skipped')
    queue_work('stop/0')
  else
    queue_work('release/0/' .. id)
  end
end

local function fail_with(id, record, family, message)
  record.error = cjson.encode({family = family, message = message})
  settle(id, record, 'failed')
end

-- Nothing more to wait for: to a person, or to a worker. A refused model is never held.
local function make_ready(id, record)
  if record.hold and not fields.refusal then
    if record.deadline then call('ZADD', P .. 'timers', clock() + record.deadline, 'deadline/' .. run .. '/' .. id) end
    record.started = clock()
    enter(id, record, 'held')
  elseif record.hold then
    settle(id, record, 'done')
  else
    park(id, record)
  end
end

-- One of the stages before `id` ended; a join counts what the tolerated ones among them brought.
local function arrive(id, good, tolerated)
  local record = load(id)
  if not record or record.state ~= 'waiting' then return end
  record.pending = record.pending - 1
  save(id)
  if tolerated then
    record[good and 'got' or 'bad'] = (record[good and 'got' or 'bad'] or 0) + 1
  elseif not good then
    settle(id, record, 'skipped')
    return
  end
  if not good and not record.min_success and not record.max_failures then
    settle(id, record, 'skipped')
  elseif record.max_failures and (record.bad or 0) > record.max_failures then
    fail_with(id, record, 'user',
      record.bad .. ' of the stages before it failed; at most ' .. record.max_failures .. ' may')
  elseif record.pending > 0 then
    return
  elseif record.min_success and (record.got or 0) < record.min_success then
    fail_with(id, record, 'user', 'only ' .. (record.got or 0) .. ' of the stages before it succeeded; at least '
      .. record.min_success .. ' must (see their errors)')
  else
    make_ready(id, record)
  end
end

-- Each kind of graph work answers how much it did, and what of it is left.
local kinds = {}

function kinds.release(rest)
  local offset, id = string.match(rest, '^(%d+)/(.+)$')
  offset = tonumber(offset)
  local record = load(id)
  local text = call('HGET', part('next'), id)
  if not text then return 0 end
  local successors = cjson.decode(text)
  local last = math.min(#successors, offset + CHUNK)
  local good = record.state == 'done' or record.state == 'rejected'
  for i = offset + 1, last do arrive(successors[i], good, record.tolerate) end
  return last - offset, last < #successors and 'release/' .. last .. '/' .. id or nil
end

function kinds.start()
  local roots = call('LPOP', part('roots'), CHUNK)
  if not roots then return 0 end
  for _, id in ipairs(roots) do
    local record = load(id)
    if record.state == 'waiting' then make_ready(id, record) end
  end
  return #roots, 'start/'
end

-- Stages that a finished stage brought into being: counted already, they join the run here, a chunk at a time.
local GROWTH = {'ids', 'joins', 'calls', 'stages', 'next'}

local function growth(nonce, name) return part('growth:' .. nonce .. ':' .. name) end

function kinds.grow(nonce)
  local ids = call('ZPOPMIN', growth(nonce, 'ids'), CHUNK)
  if #ids == 0 then
    for _, name in ipairs(GROWTH) do
      call('UNLINK', growth(nonce, name))
      call('SREM', part('extra'), growth(nonce, name))
    end
    return 0
  end
  local joins = call('HKEYS', growth(nonce, 'joins'))
  for i = 1, #ids, 2 do
    local id = ids[i]
    call('HSET', part('calls'), id, call('HGET', growth(nonce, 'calls'), id))
    call('HSET', part('next'), id, call('HGET', growth(nonce, 'next'), id))
    for _, join in ipairs(joins) do call('RPUSH', part('grown:' .. join), id) end
    local record = cjson.decode(call('HGET', growth(nonce, 'stages'), id))
    records[id] = record
    save(id)
    call('SADD', part('open'), id)
    call('HINCRBY', base, 'total', 1)
    if record.pending == 0 then make_ready(id, record) end
  end
  return #ids / 2, 'grow/' .. nonce
end

-- The flip of an expansion: the joins wait for the new stages, and the run for all of them, from this step on.
local function expand(nonce)
  for _, name in ipairs(GROWTH) do
    local staged = P .. 'staging:' .. nonce .. ':' .. name
    if call('EXISTS', staged) == 1 then
      call('RENAME', staged, growth(nonce, name))
      call('PERSIST', growth(nonce, name))
      call('SADD', part('extra'), growth(nonce, name))
    end
  end
  local joins = call('HGETALL', growth(nonce, 'joins'))
  for i = 1, #joins, 2 do
    local record = load(joins[i])
    record.pending = record.pending + tonumber(joins[i + 1])
    record.grown = true
    save(joins[i])
    call('SADD', part('extra'), part('grown:' .. joins[i]))
  end
  add('left', call('ZCARD', growth(nonce, 'ids')))
  queue_work('grow/' .. nonce)
end

-- A cancelled run, or one that fails fast: all that has not begun is stopped; what runs hears of it by its heartbeat.
-- Each step looks from the beginning: to a Redis that was restarted between two steps a cursor means nothing.
function kinds.stop()
  local cursor, stopped = '0', 0
  repeat
    local page = call('SSCAN', part('open'), cursor, 'COUNT', CHUNK)
    cursor = page[1]
    for _, id in ipairs(page[2]) do
      local record = load(id)
      if record.state ~= 'running' then
        call('ZREM', P .. 'timers', 'deadline/' .. run .. '/' .. id, 'retry/' .. run .. '/' .. id)
        settle(id, record, fields.stopping)
        stopped = stopped + 1
      end
    end
  until cursor == '0' or stopped >= CHUNK
  return stopped + 1, cursor ~= '0' and 'stop/0' or nil
end

local function finish()
  if fields.left > 0 or (fields.status ~= 'running' and fields.status ~= 'held') then return end
  local status = 'succeeded'
  if fields.stopping == 'cancelled' then status = 'cancelled'
  elseif fields.failed then status = 'failed'
  elseif fields.refusal then status = 'refused' end
  local at = clock()
  set('status', status)
  call('HSET', base, 'finished', at)
  call('SREM', P .. 'active', run)
  call('DEL', part('parked'), part('roots'))
  if fields.identity and call('GET', P .. 'identity:' .. fields.identity) == run then
    call('DEL', P .. 'identity:' .. fields.identity)
  end
  call('ZADD', P .. 'ended', at, run)
  emit('run', '', status)
end

-- The run's status while it is open: held when only people can move it.
local function restate()
  if fields.status ~= 'running' and fields.status ~= 'held' then return end
  local status = (fields.busy <= 0 and fields.held > 0) and 'held' or 'running'
  if status ~= fields.status then
    set('status', status)
    emit('run', '', status)
    if status == 'held' then call('ZADD', P .. 'holds', clock(), run) end  -- how far it came is to be kept
  end
end

-- The graph work of the run, at most a chunk of it; true when some is left for the next step.
local function work()
  local budget = CHUNK
  if fields.working then
    local earlier = call('LRANGE', part('work'), 0, -1)
    for _, item in ipairs(todo) do earlier[#earlier + 1] = item end
    todo = earlier
  end
  local position = 1
  while budget > 0 and todo[position] do
    local kind, rest = string.match(todo[position], '^(%a+)/(.*)$')
    local spent, left = kinds[kind](rest)
    if left then todo[position] = left else position = position + 1 end
    budget = budget - spent - 1
  end
  if fields.working then call('DEL', part('work')) end
  local more = todo[position] ~= nil
  if more then
    for i = position, #todo do call('RPUSH', part('work'), todo[i]) end
    call('SADD', P .. 'work', run)
    set('working', '1')
  elseif fields.working then
    call('SREM', P .. 'work', run)
    set('working', false)
  end
  todo = {}
  if not more then
    finish()
    restate()
  end
  return more
end

local function stamp()
  local at = clock_us()
  local last = tonumber(call('GET', P .. 'stamp') or '0')
  if at <= last then at = last + 1 end
  call('SET', P .. 'stamp', whole(at))
  return whole(at)
end

local function bell_for(id, record, waiting)
  local slots = record.batch and tonumber(call('HGET', P .. 'slots', record.queue) or '1')
  local most = record.batch and math.min(record.batch, math.ceil((waiting + 1) / (2 * math.max(slots, 1)))) or 1
  return {run = run, task = record.task, queue = record.queue, stamp = stamp(), most = most, shadow = record.shadow,
    attempt = record.attempt + 1, timeout = record.timeout, stages = {}}
end

-- Rings a doorbell: a Celery message (protocol 2) as Kombu's Redis transport keeps it, in the step that makes its stages
-- ready. Celery's documents describe the protocol; a test holds this text against what Celery itself writes.
local function ring(bell)
  local count = #bell.stages
  local id = run .. ':' .. bell.stages[1] .. (count > 1 and '+' .. (count - 1) or '') .. ':' .. bell.attempt
  local limit = bell.timeout and string.format('%.1f', bell.timeout * count / 1000 + 60) or 'null'
  local spelled = {}
  for i, stage in ipairs(bell.stages) do spelled[i] = "'" .. stage .. "'" end
  local named = cjson.encode(id)
  local body = '[[],{"run":' .. cjson.encode(run) .. ',"stages":' .. cjson.encode(bell.stages)
    .. '},{"callbacks":null,"errbacks":null,"chain":null,"chord":null}]'
  call('LPUSH', P .. bell.queue, '{"body":' .. cjson.encode(body)
    .. ',"content-encoding":"utf-8","content-type":"application/json","headers":{"lang":"py","task":'
    .. cjson.encode(bell.task) .. ',"id":' .. named .. ',"shadow":' .. (bell.shadow and cjson.encode(bell.shadow) or 'null')
    .. ',"eta":null,"expires":null,"group":null,"group_index":null,"retries":0,"timelimit":[' .. limit
    .. ',null],"root_id":' .. named .. ',"parent_id":null,"argsrepr":"()","kwargsrepr":'
    .. cjson.encode("{'run': '" .. run .. "', 'stages': [" .. table.concat(spelled, ', ') .. "]}")
    .. ',"origin":"ledger","ignore_result":true,"replaced_task_nesting":0,"stamped_headers":null,"stamps":{},"stamp":"'
    .. bell.stamp .. '"},"properties":{"correlation_id":' .. named
    .. ',"reply_to":"","delivery_mode":2,"delivery_info":{"exchange":"","routing_key":' .. cjson.encode(bell.queue)
    .. '},"priority":0,"delivery_tag":"' .. run .. ':' .. bell.stamp .. '"}}')
end

-- Bells for ready stages while the window has room. The window opens again at half: one step rings many.
local function dispatch(bells)
  if fields.stopping then  -- nothing begins any more: what is ready is stopped
    fresh = {}
    return
  end
  local parked = part('parked')
  local stored, earlier = call('LLEN', parked), #bells
  local narrow = fields.max_parallel and tonumber(fields.max_parallel)
  local window = tonumber(call('GET', P .. 'window') or '32') * 1000
  local room = narrow and math.min(window, narrow * 1000) or window
  local position, waiting, bell = 1, stored + #fresh, nil
  local shut = not narrow and stored > 0 and fields.flight > window / 2
  while waiting > 0 and not shut do
    local id = stored > 0 and call('LINDEX', parked, 0) or fresh[position]
    local record = load(id)
    local weight = narrow and 1000 or math.ceil(1000 / (record.batch or 1))
    if fields.flight + weight > room then break end
    if stored > 0 then
      call('LPOP', parked)
      stored = stored - 1
    else
      position = position + 1
    end
    waiting = waiting - 1
    add('flight', weight)
    record.flying = weight
    save(id)
    if not (bell and bell.task == record.task and bell.queue == record.queue and #bell.stages < bell.most) then
      bell = bell_for(id, record, waiting)
      bells[#bells + 1] = bell
    end
    table.insert(bell.stages, id)
    call('ZADD', P .. 'bells:' .. record.queue, bell.stamp, run .. '/' .. id)
  end
  for i = position, #fresh do call('RPUSH', parked, fresh[i]) end
  fresh = {}
  for i = earlier + 1, #bells do ring(bells[i]) end
end

-- After any change: do the graph work, open the window, write, and answer {answer, more, bells as JSON…}.
local function conclude(answer)
  local more = work()
  local bells = {}
  dispatch(bells)
  close()
  local reply = {answer, more and 1 or 0}
  for _, bell in ipairs(bells) do reply[#reply + 1] = cjson.encode(bell) end
  return reply
end

-- A step whose answer promises that all of it is durable writes something, whatever it finds: see Script.run_durably.
local function settled() call('INCR', key('settled')) end

local function conclude_again()
  settled()
  return conclude('again')
end

-- The owner died or gave up: another worker gets the stage, unless it has killed too many.
local function lose(id, record, max_deaths, died)
  drop_lease(id)
  land(record)
  if died then record.deaths = (record.deaths or 0) + 1 end
  if died and record.deaths >= max_deaths then
    fail_with(id, record, 'poison', 'it killed its worker ' .. record.deaths
      .. ' times (last: ' .. (record.worker or '?') .. '): the host ran out of memory, or its code ends the process; '
      .. 'look at its log, give it less data or its pool more memory')
  elseif fields.stopping then
    settle(id, record, fields.stopping)
  else
    park(id, record, true)
  end
end

-- The message of a stage that outlived its limit.
local function out_of_time(id, record)
  drop_lease(id)
  fail_with(id, record, 'timeout', 'it ran longer than its limit of '
    .. string.format('%g', record.timeout / 1000) .. ' s; raise `timeout` or give it less to do')
end

-- How long a lease lasts from now: never beyond the stage's own limit, so that a stage that only renews ends too.
local function lease_end(record, lease_ms)
  local till = clock() + lease_ms
  return record.timeout and math.min(till, record.started + record.timeout + lease_ms) or till
end
