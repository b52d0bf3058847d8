#!lua flags=allow-oom
-- The last look before bytes are deleted: what is still condemned, and long enough, may go. ARGV: grace ms, digests…
-- From here on completing with such a digest is refused. Answers the digests that may go.
local going = {}
for i = 2, #ARGV do
  local since = call('ZSCORE', key('condemned'), ARGV[i])
  if since and tonumber(since) + tonumber(ARGV[1]) <= clock() then
    call('ZREM', key('condemned'), ARGV[i])
    call('SADD', key('deleting'), ARGV[i])
    going[#going + 1] = ARGV[i]
  end
end
-- a submission that found one of them reads again what it found
if #going > 0 then call('SET', key('epoch'), whole(clock_us())) end
return going
