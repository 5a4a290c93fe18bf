-- ARGV[1] an age in ms, ARGV[2] how many at most.
-- Gives what is held for longer than the age, and counts its time from now: it was looked at.
local now = now_ms()
local entries = redis.call('ZRANGEBYSCORE', held, '-inf', now - tonumber(ARGV[1]), 'LIMIT', 0, tonumber(ARGV[2]))
for _, entry in ipairs(entries) do redis.call('ZADD', held, 'XX', now, entry) end
return entries
