#!lua flags=allow-oom
-- An artifact's bytes are gone. ARGV: digest, ms for which that is remembered.
-- Completing with it is refused where the stage began before: it may have found the bytes that are no more.
call('SREM', key('deleting'), ARGV[1])
call('ZADD', key('deleted'), clock(), ARGV[1])
call('ZREMRANGEBYSCORE', key('deleted'), '-inf', clock() - tonumber(ARGV[2]))
return 1
