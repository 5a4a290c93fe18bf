-- ARGV[1] an id, ARGV[2] its group. It is not ready any more.
local gone = redis.call('ZREM', ready .. ARGV[2], ARGV[1])
deepen(-gone)
return gone
