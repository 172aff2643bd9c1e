-- What the scripts share: each is this, and then its own file. Nothing runs between two lines of a script, and a server that dies has
-- done all of it or nothing, so a job is always in exactly one place.
--
-- jobs     stream: jobs that are ready, and those that are lent. A lent one is "pending" in the group `workers`. All workers are one
--          consumer of it: which of them has a job nobody needs to know, and names of consumers that are dead would pile up.
-- delayed  sorted set, by the millisecond in which they are due: "id attempts body"
-- dead     stream
-- ids      counter, for the names of jobs that begin as delayed ones; the others have that of their first entry in the stream
-- swept    exists for a while after somebody has looked for leases that are over
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
  return { id = fields.id or entry[1], attempts = tonumber(fields.attempts or 0), body = fields.body }
end

local function make_ready(job)
  redis.call('XADD', jobs, '*', 'body', job.body, 'id', job.id, 'attempts', job.attempts)
end

-- A millisecond more, as the present one may be nearly over.
local function delay(job, delay_ms)
  redis.call('ZADD', delayed, now_ms() + delay_ms + 1, job.id .. ' ' .. job.attempts .. ' ' .. job.body)
end

local function bury(job, capacity)
  redis.call('XADD', dead, 'MAXLEN', '~', capacity, '*', 'body', job.body, 'id', job.id, 'attempts', job.attempts)
end

local function remove(entry_id)
  redis.call('XACK', jobs, 'workers', entry_id)
  return redis.call('XDEL', jobs, entry_id)
end

-- The job of an entry that is lent, which is so no more; or nothing. Who has the name of an entry had it lent, and when that was over the
-- entry has gone, even if the job has not.
local function take_back(entry_id)
  local entry = redis.call('XRANGE', jobs, entry_id, entry_id)[1]
  if not entry then
    return nil
  end
  remove(entry_id)
  return job_of(entry)
end

