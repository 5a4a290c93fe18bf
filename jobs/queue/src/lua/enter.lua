-- KEYS: a host's hash, and the sorted set of those who are there, by when they are taken for gone.
-- ARGV: who asks; the least pause between two requests, how many at once, how long a visit may take, how long a turn is waited for (ms).
-- Gives whether the caller may go, and in how many ms; else when to ask again.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local pause, at_once, visit, patience = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local host = redis.call('HMGET', KEYS[1], 'next', 'delay', 'closed', 'failures')
local turn, delay = tonumber(host[1] or 0), tonumber(host[2] or 0)
local closed, failures = tonumber(host[3] or 0), tonumber(host[4] or 0)
if closed > now then return { 0, closed - now } end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
-- A host that fails is tried by one, whatever it may have otherwise.
if failures > 0 then at_once = 1 end
if redis.call('ZCARD', KEYS[2]) >= at_once then
  local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
  return { 0, math.max(50, math.min(tonumber(first[2]) - now, math.max(pause, delay, 250))) }
end
local at = math.max(turn, now)
if at - now > patience then return { 0, at - now } end
redis.call('HSET', KEYS[1], 'next', at + math.max(pause, delay))
redis.call('PEXPIRE', KEYS[1], 86400000)
redis.call('ZADD', KEYS[2], at + visit, ARGV[1])
redis.call('PEXPIRE', KEYS[2], at + visit - now + 1000)
return { 1, at - now }
