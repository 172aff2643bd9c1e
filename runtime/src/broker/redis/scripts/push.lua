-- ARGV: capacity, delay_ms, body. The job's id, or nothing if the queue is full.
if undone() >= tonumber(ARGV[1]) then
  return false
end
local delay_ms = tonumber(ARGV[2])
if delay_ms == 0 then
  return redis.call('XADD', jobs, '*', 'body', ARGV[3])
end
return delay({ attempts = 0, body = ARGV[3] }, delay_ms)
