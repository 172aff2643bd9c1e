-- ARGV: entry. Whether it was lent; its lease begins anew.
ensure_group()
return #redis.call('XCLAIM', jobs, 'workers', 'all', 0, ARGV[1], 'IDLE', 0, 'JUSTID')
