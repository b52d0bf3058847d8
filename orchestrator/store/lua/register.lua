-- A new version of a model. KEYS[1]: the namespace's prefix. ARGV: model, idempotency key, stage, record JSON, audit entry,
-- the key that the release before gave to the same effect, if there is one.
-- Answers {version, stage, record JSON}; the same key again answers the version that it made, as it stands. 'restoring':
-- numbers are being put back.
local base = KEYS[1] .. 'model:' .. ARGV[1]
local known = redis.call('HGET', base .. ':keys', ARGV[2])
if not known and (ARGV[6] or '') ~= '' then -- that key does not say of what the effect is: it must be of this run and this evidence
  local version = redis.call('HGET', base .. ':keys', ARGV[6])
  local other = version and cjson.decode(redis.call('HGET', base .. ':versions', version))
  local draft = cjson.decode(ARGV[4])
  local function evidence(of) return cjson.encode({of.run, of.digest, of.evaluation.digest, of.reasons}) end
  if other and evidence(other) == evidence(draft) then
    known = version
    redis.call('HSET', base .. ':keys', ARGV[2], version)
  end
end
if known then
  redis.call('INCR', KEYS[1] .. 'settled')  -- durable too, before the answer
  return {known, redis.call('HGET', base .. ':stages', known), redis.call('HGET', base .. ':versions', known)}
end
if redis.call('EXISTS', KEYS[1] .. 'restoring') == 1 then return 'restoring' end
local version = string.format('%d', redis.call('HLEN', base .. ':versions') + 1) -- versions are never removed
local now = redis.call('TIME')
redis.call('SADD', KEYS[1] .. 'models', ARGV[1])
redis.call('HSET', base .. ':versions', version, ARGV[4])
redis.call('HSET', base .. ':stages', version, ARGV[3])
redis.call('HSET', base .. ':keys', ARGV[2], version)
redis.call('RPUSH', KEYS[1] .. 'audit:outbox',
  '{"at":' .. now[1] .. ',"version":' .. version .. ',' .. string.sub(ARGV[5], 2))
return {version, ARGV[3], ARGV[4]}
