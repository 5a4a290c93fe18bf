-- KEYS[1] the queue's base key. ARGV[1] an age in ms, ARGV[2] how many at most.
-- Gives ids that are held for longer than the age, and counts their time from now: they were looked at.
local held = KEYS[1] .. ':held'
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local ids = redis.call('ZRANGEBYSCORE', held, '-inf', now - tonumber(ARGV[1]), 'LIMIT', 0, tonumber(ARGV[2]))
for _, id in ipairs(ids) do redis.call('ZADD', held, 'XX', now, id) end
return ids
