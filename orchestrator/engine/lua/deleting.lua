#!lua flags=allow-oom
-- The very last look before one artifact is deleted. ARGV: the collector's token, ms that it goes on to hold.
-- Answers {1} when this collector may delete it, {0} when another one has taken over.
if call('GET', key('collecting')) ~= ARGV[1] then return {0} end
call('PEXPIRE', key('collecting'), ARGV[2])
return {1}
