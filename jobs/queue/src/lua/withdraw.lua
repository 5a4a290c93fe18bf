-- ARGV: id, group; again and again. They are not ready any more.
local gone = 0
for i = 1, #ARGV, 2 do gone = gone + redis.call('ZREM', ready .. ARGV[i + 1], ARGV[i]) end
deepen(-gone)
return gone
