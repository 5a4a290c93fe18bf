-- KEYS: as in enter.lua. ARGV: who was there; how it went (fine, busy, failed); how long the answer took, and how long the host asked
-- to be left alone (ms).
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local took, alone = tonumber(ARGV[3]), tonumber(ARGV[4])
redis.call('ZREM', KEYS[2], ARGV[1])
local host = redis.call('HMGET', KEYS[1], 'next', 'delay', 'failures')
local turn, delay, failures = tonumber(host[1] or 0), tonumber(host[2] or 0), tonumber(host[3] or 0)
if ARGV[2] == 'fine' then
  -- As slow as the host is: half of the way to how long it took, so that one slow answer is no new rule.
  redis.call('HSET', KEYS[1], 'delay', math.floor(math.min((delay + took) / 2, 60000)), 'failures', 0)
elseif ARGV[2] == 'busy' then
  redis.call('HSET', KEYS[1], 'delay', math.floor(math.min(math.max(delay * 2, 1000), 60000)))
else
  failures = failures + 1
  redis.call('HSET', KEYS[1], 'delay', math.floor(math.min(math.max(delay, took, 500), 60000)), 'failures', failures)
  -- The circuit opens: nobody asks for half a minute, then twice as long, up to a quarter of an hour.
  if failures >= 5 then
    redis.call('HSET', KEYS[1], 'closed', now + math.min(30000 * 2 ^ (failures - 5), 900000))
  end
end
if alone > 0 then redis.call('HSET', KEYS[1], 'next', math.max(turn, now + alone)) end
redis.call('PEXPIRE', KEYS[1], 86400000)
return 1
