#!lua flags=allow-oom
-- A write after all that was read: who waits for it on Redis's disk has waited for that too. KEYS[1]: the namespace's prefix.
return redis.call('INCR', KEYS[1] .. 'settled')
