#!lua flags=allow-oom
-- A worker that shuts down, or whose child died, returns a stage. ARGV: run, stage, fence, died (0 | 1), max deaths.
local id = ARGV[2]
local record = open(ARGV[1]) and load(id)
if not record or record.state ~= 'running' or record.fence ~= ARGV[3] then return {'lost', 0} end
lose(id, record, tonumber(ARGV[5]), ARGV[4] == '1')
return conclude('returned')
