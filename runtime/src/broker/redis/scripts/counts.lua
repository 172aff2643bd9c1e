-- How many are ready, delayed, lent, dead.
ensure_group()
local lent = redis.call('XPENDING', jobs, 'workers')[1]
return { redis.call('XLEN', jobs) - lent, redis.call('ZCARD', delayed), lent, redis.call('XLEN', dead) }
