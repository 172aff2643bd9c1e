-- What the scripts share: each is this, and then its own file. Nothing runs between two lines of a script, and a server that dies has
-- done all of it or nothing, so a job is always in exactly one place. A script that fails has done what stands before: therefore a job
-- is put where it belongs first, and then taken away from where it was.
--
-- jobs     stream: jobs that are ready, and those that are lent. A lent one is "pending" in the group `workers`. All workers are one
--          consumer of it: which of them has a job nobody needs to know, and names of consumers that are dead would pile up.
-- delayed  sorted set, by the millisecond in which they are due: "number id attempts body"
-- dead     stream
-- ids      counter, for the numbers of delayed jobs
-- swept    when somebody has looked for leases that are over
local jobs, delayed, dead, ids, swept = unpack(KEYS)

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- There is none at first, and none any more when the server has lost its data.
local function ensure_group()
  local groups = redis.pcall('XINFO', 'GROUPS', jobs)
  if groups.err or #groups == 0 then
    redis.call('XGROUP', 'CREATE', jobs, 'workers', '0', 'MKSTREAM')
  end
end

local function undone()
  return redis.call('XLEN', jobs) + redis.call('ZCARD', delayed)
end

-- `attempts`: how often it was delivered before it came to where it is.
local function job_of(entry)
  local fields = {}
  for at = 1, #entry[2], 2 do
    fields[entry[2][at]] = entry[2][at + 1]
  end
  return { id = fields.id or entry[1], attempts = tonumber(fields.attempts or 0), body = fields.body or '' }
end

local function make_ready(job)
  redis.call('XADD', jobs, '*', 'body', job.body, 'id', job.id, 'attempts', job.attempts)
end

-- A millisecond more, as the present one may be nearly over. Those that are due in the same one come in the order of their numbers. The
-- name of a job that has none says when it came: numbers begin anew when the server has lost its data, and no two jobs may have one name.
local function delay(job, delay_ms)
  local now, number = now_ms(), redis.call('INCR', ids)
  local id = job.id or string.format('d%d-%d', now, number)
  local member = string.format('%016d %s %d ', number, id, job.attempts) .. job.body
  redis.call('ZADD', delayed, now + delay_ms + 1, member)
  return id
end

local function bury(job, capacity)
  redis.call('XADD', dead, 'MAXLEN', '=', capacity, '*', 'body', job.body, 'id', job.id, 'attempts', job.attempts)
end

local function remove(entry_id)
  redis.call('XACK', jobs, 'workers', entry_id)
  return redis.call('XDEL', jobs, entry_id)
end
