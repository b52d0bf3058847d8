-- What the ledger's steps share. Each step runs alone and is never rolled back: it validates before its first write.
-- KEYS[1] is the namespace's prefix, "{namespace}:"; one hash tag, so that a step may touch run, cache and audit together.
-- A stage's record is JSON of what moves; what never moves (its call) is opaque text in another hash.

local P = KEYS[1]
local CHUNK = 500          -- successors, roots or stopped stages that one step handles at most
local EVENTS = 20000       -- entries of a run's stream

local function key(...) return P .. table.concat({...}, ':') end

local function clock_us()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000000 + tonumber(t[2])
end

local function clock() return math.floor(clock_us() / 1000) end

local function whole(number) return string.format('%.0f', number) end

local function load(run, id)
  local text = redis.call('HGET', key('run', run, 'stages'), id)
  return text and cjson.decode(text)
end

local function save(run, id, record)
  redis.call('HSET', key('run', run, 'stages'), id, cjson.encode(record))
end

local function run_field(run, field) return redis.call('HGET', key('run', run), field) end

local function emit(run, kind, stage, state)
  redis.call('XADD', key('run', run, 'events'), 'MAXLEN', '~', EVENTS, '*',
    'kind', kind, 'stage', stage, 'state', state)
end

-- A stage's new state: counters of the run follow, so that its status needs no search.
local function enter(run, id, record, state)
  local function busy(s) return s == 'ready' or s == 'running' end
  local before = record.state
  if busy(before) ~= busy(state) then
    redis.call('HINCRBY', key('run', run), 'busy', busy(state) and 1 or -1)
  end
  if (before == 'held') ~= (state == 'held') then
    redis.call('HINCRBY', key('run', run), 'held', state == 'held' and 1 or -1)
  end
  record.state = state
  save(run, id, record)
  if state ~= 'ready' then emit(run, 'stage', id, state) end
end

-- Ready stages stand in `parked` until the run's window has room: so runs take turns.
local function park(run, id, record, front)
  enter(run, id, record, 'ready')
  redis.call(front and 'LPUSH' or 'RPUSH', key('run', run, 'parked'), id)
end

-- A stage leaves the window: it ended, or goes back to wait.
local function land(run, id, record)
  if record.flying then
    redis.call('HINCRBY', key('run', run), 'flight', -record.flying)
    record.flying = nil
  end
  redis.call('ZREM', key('bells', record.queue), run .. '/' .. id)
end

local function drop_lease(run, id, record)
  local member = run .. '/' .. id
  redis.call('ZREM', key('leases'), member)
  redis.call('ZREM', key('timers'), 'timeout/' .. member)
  if record.host then redis.call('HDEL', key('host', record.host), member) end
end

local function queue_work(run, item)
  redis.call('RPUSH', key('run', run, 'work'), item)
  redis.call('SADD', key('work'), run)
end

-- A stage's end. Where the whole run is being stopped its successors are stopped by that, not one by one.
local function settle(run, id, record, state)
  land(run, id, record)
  record.finished = clock()
  enter(run, id, record, state)
  redis.call('SREM', key('run', run, 'open'), id)
  if state == 'done' then redis.call('HINCRBY', key('run', run), 'done', 1) end
  if state == 'failed' and not record.tolerate then
    redis.call('HSETNX', key('run', run), 'failed', id)
    if run_field(run, 'on_failure') == 'stop' and not run_field(run, 'stopping') then
      redis.call('HSET', key('run', run), 'stopping', 'skipped')
      queue_work(run, 'stop/0')
      return
    end
  end
  if not run_field(run, 'stopping') then queue_work(run, 'release/0/' .. id) end
end

local function fail_with(run, id, record, family, message)
  record.error = cjson.encode({family = family, message = message})
  settle(run, id, record, 'failed')
end

-- Nothing more to wait for: to a person, or to a worker. A refused model is never held.
local function make_ready(run, id, record)
  if record.hold and not run_field(run, 'refusal') then
    if record.deadline then
      redis.call('ZADD', key('timers'), clock() + record.deadline, 'deadline/' .. run .. '/' .. id)
    end
    record.since = clock()
    enter(run, id, record, 'held')
  elseif record.hold then
    settle(run, id, record, 'done')
  else
    park(run, id, record)
  end
end

-- One of the stages before `id` ended; a join counts what the tolerated ones among them brought.
local function arrive(run, id, good, tolerated)
  local record = load(run, id)
  if not record or record.state ~= 'waiting' then return end
  record.pending = record.pending - 1
  if tolerated then
    record[good and 'got' or 'bad'] = (record[good and 'got' or 'bad'] or 0) + 1
  elseif not good then
    settle(run, id, record, 'skipped')
    return
  end
  if tolerated and not good and not record.min_success and not record.max_failures then
    settle(run, id, record, 'skipped')
  elseif record.max_failures and (record.bad or 0) > record.max_failures then
    fail_with(run, id, record, 'user',
      record.bad .. ' of the stages before it failed; at most ' .. record.max_failures .. ' may')
  elseif record.pending > 0 then
    save(run, id, record)
  elseif record.min_success and (record.got or 0) < record.min_success then
    fail_with(run, id, record, 'user', 'only ' .. (record.got or 0) .. ' of the stages before it succeeded; at least '
      .. record.min_success .. ' must (see their errors)')
  else
    make_ready(run, id, record)
  end
end

local work_kinds = {}

function work_kinds.release(run, rest)
  local offset, id = string.match(rest, '^(%d+)/(.+)$')
  offset = tonumber(offset)
  local record = load(run, id)
  local text = redis.call('HGET', key('run', run, 'next'), id)
  local successors = text and cjson.decode(text) or {}
  local last = math.min(#successors, offset + CHUNK)
  local good = record.state == 'done' or record.state == 'rejected'
  for i = offset + 1, last do arrive(run, successors[i], good, record.tolerate) end
  return last - offset, last < #successors and 'release/' .. last .. '/' .. id or nil
end

function work_kinds.start(run)
  local roots = redis.call('LPOP', key('run', run, 'roots'), CHUNK)
  if not roots then return 0, nil end
  for _, id in ipairs(roots) do
    local record = load(run, id)
    if record.state == 'waiting' then make_ready(run, id, record) end
  end
  return #roots, 'start/'
end

-- A cancelled run, or one that fails fast: all that has not begun is stopped; what runs hears of it by its heartbeat.
function work_kinds.stop(run, cursor)
  local state = run_field(run, 'stopping')
  local page = redis.call('SSCAN', key('run', run, 'open'), cursor, 'COUNT', CHUNK)
  for _, id in ipairs(page[2]) do
    local record = load(run, id)
    if record.state ~= 'running' then
      redis.call('ZREM', key('timers'), 'deadline/' .. run .. '/' .. id, 'retry/' .. run .. '/' .. id)
      settle(run, id, record, state)
    end
  end
  return #page[2] + 1, page[1] ~= '0' and 'stop/' .. page[1] or nil
end

-- Stages that a finished stage brought into being: staged before, counted into the run here.
function work_kinds.grow(run, nonce)
  local ids = redis.call('LPOP', key('staging', nonce, 'ids'), CHUNK)
  if not ids then return 0, nil end
  for _, id in ipairs(ids) do
    local record = load(run, id)
    if record.state == 'staged' then
      record.state = 'waiting'
      save(run, id, record)
      redis.call('SADD', key('run', run, 'open'), id)
      redis.call('HINCRBY', key('run', run), 'total', 1)
      if record.pending == 0 then make_ready(run, id, record) end
    end
  end
  return #ids, 'grow/' .. nonce
end

-- The flip of an expansion: the joins wait for the new stages from this step on.
local function expand(run, nonce)
  local joins = redis.call('HGETALL', key('staging', nonce, 'joins'))
  for i = 1, #joins, 2 do
    local record = load(run, joins[i])
    record.pending = record.pending + tonumber(joins[i + 1])
    record.grown = true
    save(run, joins[i], record)
  end
  redis.call('DEL', key('staging', nonce, 'joins'))
  queue_work(run, 'grow/' .. nonce)
end

local function finish(run)
  if redis.call('SCARD', key('run', run, 'open')) > 0 or redis.call('EXISTS', key('run', run, 'work')) == 1 then return end
  local fields = redis.call('HMGET', key('run', run), 'stopping', 'failed', 'refusal', 'identity', 'status')
  if fields[5] ~= 'running' and fields[5] ~= 'held' then return end
  local status = 'succeeded'
  if fields[1] == 'cancelled' then status = 'cancelled'
  elseif fields[2] then status = 'failed'
  elseif fields[3] then status = 'refused' end
  redis.call('HSET', key('run', run), 'status', status, 'finished', clock())
  redis.call('SREM', key('active'), run)
  redis.call('DEL', key('run', run, 'parked'))
  if fields[4] and redis.call('GET', key('identity', fields[4])) == run then
    redis.call('DEL', key('identity', fields[4]))
  end
  redis.call('ZADD', key('ended'), clock(), run)
  emit(run, 'run', '', status)
end

-- The run's status while it is open: held when only people can move it.
local function restate(run)
  local fields = redis.call('HMGET', key('run', run), 'status', 'busy', 'held')
  if fields[1] ~= 'running' and fields[1] ~= 'held' then return end
  local status = (tonumber(fields[2]) <= 0 and tonumber(fields[3]) > 0) and 'held' or 'running'
  if status ~= fields[1] then
    redis.call('HSET', key('run', run), 'status', status)
    emit(run, 'run', '', status)
  end
end

-- The graph work of a run, at most a chunk of it; true when some is left.
local function work(run)
  local list, budget = key('run', run, 'work'), CHUNK
  while budget > 0 do
    local item = redis.call('LINDEX', list, 0)
    if not item then break end
    local kind, rest = string.match(item, '^(%a+)/(.*)$')
    local spent, left = work_kinds[kind](run, rest)
    if left then redis.call('LSET', list, 0, left) else redis.call('LPOP', list) end
    budget = budget - spent - 1
  end
  if redis.call('EXISTS', list) == 1 then return true end
  redis.call('SREM', key('work'), run)
  finish(run)
  restate(run)
  return false
end

local function stamp()
  local at = clock_us()
  local last = tonumber(redis.call('GET', key('stamp')) or '0')
  if at <= last then at = last + 1 end
  redis.call('SET', key('stamp'), whole(at))
  return whole(at)
end

-- Bells for parked stages while the window has room. The window opens again at half: publishing in batches is cheaper.
local function dispatch(run, bells)
  local parked = key('run', run, 'parked')
  local waiting = redis.call('LLEN', parked)
  if waiting == 0 then return end
  local fields = redis.call('HMGET', key('run', run), 'flight', 'max_parallel', 'stopping')
  if fields[3] then return end
  local flight = tonumber(fields[1] or '0')
  local window = tonumber(redis.call('GET', key('window')) or '32') * 1000
  local narrow = fields[2] and tonumber(fields[2])
  if not narrow and flight > window / 2 then return end
  local bell
  while waiting > 0 do
    local id = redis.call('LINDEX', parked, 0)
    local record = load(run, id)
    local weight = narrow and 1000 or math.ceil(1000 / (record.batch or 1))
    local room = narrow and math.min(window, narrow * 1000) or window
    if flight + weight > room then break end
    redis.call('LPOP', parked)
    waiting = waiting - 1
    if record.state == 'ready' then
      flight = flight + weight
      record.flying = weight
      local slots = tonumber(redis.call('HGET', key('slots'), record.queue) or '1')
      local most = math.min(record.batch or 1, math.ceil((waiting + 1) / (2 * math.max(slots, 1))))
      if not (bell and bell.task == record.task and bell.queue == record.queue and #bell.stages < bell.most) then
        bell = {run = run, task = record.task, queue = record.queue, stamp = stamp(), most = most,
          shadow = record.shadow, attempt = record.attempt + 1, timeout = record.timeout, stages = {}}
        bells[#bells + 1] = bell
      end
      table.insert(bell.stages, id)
      redis.call('SADD', key('queues'), record.queue)
      redis.call('ZADD', key('bells', record.queue), bell.stamp, run .. '/' .. id)
      save(run, id, record)
    end
  end
  redis.call('HSET', key('run', run), 'flight', flight)
end

-- After any change: do the graph work, open the window, and answer {answer, more, bells as JSON…}.
local function conclude(run, answer)
  local more = work(run)
  local bells = {}
  dispatch(run, bells)
  local reply = {answer, more and 1 or 0}
  for _, bell in ipairs(bells) do reply[#reply + 1] = cjson.encode(bell) end
  return reply
end

-- The owner died or gave up: another worker gets the stage, unless it has killed too many.
local function lose(run, id, record, max_deaths, died)
  drop_lease(run, id, record)
  land(run, id, record)
  if died then record.deaths = (record.deaths or 0) + 1 end
  if died and record.deaths >= max_deaths then
    fail_with(run, id, record, 'poison', 'it killed its worker ' .. record.deaths
      .. ' times (last: ' .. (record.worker or '?') .. '); look at its log and its memory')
    return
  end
  local stopping = run_field(run, 'stopping')
  if stopping then settle(run, id, record, stopping) else park(run, id, record, true) end
end
