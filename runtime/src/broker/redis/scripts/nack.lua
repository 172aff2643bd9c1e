-- ARGV: entry, delay_ms, max_deliveries, capacity, attempts. Whether it was lent. `attempts` is 1, or 0 for a job that came to
-- nobody: the delivery does not count then.
--
-- Who has the name of an entry had it lent, and when that was over the entry has gone, even if the job has not.
local entry = redis.call('XRANGE', jobs, ARGV[1], ARGV[1])[1]
if not entry then
  return 0
end
local job = job_of(entry)
job.attempts = job.attempts + ARGV[5]
if job.attempts >= tonumber(ARGV[3]) then
  bury(job, ARGV[4])
elseif tonumber(ARGV[2]) > 0 then
  delay(job, tonumber(ARGV[2]))
else
  make_ready(job)
end
remove(ARGV[1])
return 1
