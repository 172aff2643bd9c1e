-- ARGV: entry, delay_ms, max_deliveries, capacity, attempts. Whether it was lent. `attempts` is 1, or 0 for a job that came to
-- nobody: the delivery does not count then.
local job = take_back(ARGV[1])
if not job then
  return 0
end
job.attempts = job.attempts + ARGV[5]
if job.attempts >= tonumber(ARGV[3]) then
  bury(job, ARGV[4])
elseif tonumber(ARGV[2]) > 0 then
  delay(job, tonumber(ARGV[2]))
else
  make_ready(job)
end
return 1
