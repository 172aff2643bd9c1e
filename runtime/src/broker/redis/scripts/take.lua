-- ARGV: count, lease_ms, sweep_ms, max_deliveries, capacity. What is ready, at most `count` entries, and in how many milliseconds the
-- next delayed job is due (-1: there is none). Before that, puts where they belong now: jobs that are due, and those whose lease is over.
local BATCH = 256

ensure_group()
local now = now_ms()
local due = redis.call('ZRANGE', delayed, '-inf', now, 'BYSCORE', 'LIMIT', 0, BATCH)
for _, member in ipairs(due) do
  local id, attempts, body = string.match(member, '^%d+ (%S+) (%d+) (.*)$')
  make_ready({ id = id, attempts = attempts, body = body })
end
if #due > 0 then
  redis.call('ZREMRANGEBYRANK', delayed, 0, #due - 1)
end

-- The clock was set back: leases would last longer by as much. All of them begin anew.
local function renew_leases()
  local from = '-'
  repeat
    local lent = redis.call('XPENDING', jobs, 'workers', from, '+', BATCH)
    for _, lease in ipairs(lent) do
      redis.call('XCLAIM', jobs, 'workers', 'all', 0, lease[1], 'IDLE', 0, 'JUSTID')
      from = '(' .. lease[1]
    end
  until #lent == 0
end

-- To look through all leases takes time: one of all clients does it, now and then.
local last_sweep = tonumber(redis.call('GET', swept) or now - ARGV[3])
if now < last_sweep then
  renew_leases()
end
if now < last_sweep or now - last_sweep >= tonumber(ARGV[3]) then
  redis.call('SET', swept, now)
  local cursor, found = '0-0', 0
  repeat
    local claimed = redis.call('XAUTOCLAIM', jobs, 'workers', 'all', ARGV[2], cursor, 'COUNT', BATCH)
    cursor = claimed[1]
    for _, entry in ipairs(claimed[2]) do
      local job = job_of(entry)
      job.attempts = job.attempts + 1
      if job.attempts < tonumber(ARGV[4]) then
        make_ready(job)
      else
        bury(job, ARGV[5])
      end
      remove(entry[1])
      found = found + 1
    end
  until cursor == '0-0' or found >= 4 * BATCH
  if cursor ~= '0-0' then
    redis.call('DEL', swept) -- there are more
  end
end

local next_due = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')[2]
local reply = redis.call('XREADGROUP', 'GROUP', 'workers', 'all', 'COUNT', ARGV[1], 'STREAMS', jobs, '>')
return { next_due and math.max(next_due - now, 0) or -1, reply and reply[1][2] or {} }
