-- KEYS[1] the queue's base key. ARGV[1] an age in ms; then id, group; again and again.
-- Gives the numbers (from 0) of the pairs that are neither ready nor held since less than the age: whoever took one longer ago
-- should have claimed it by now.
local base, out = KEYS[1], {}
local t = redis.call('TIME')
local young = t[1] * 1000 + math.floor(t[2] / 1000) - tonumber(ARGV[1])
for i = 2, #ARGV, 2 do
  if not redis.call('ZSCORE', base .. ':ready:' .. ARGV[i + 1], ARGV[i]) then
    local since = redis.call('ZSCORE', base .. ':held', ARGV[i])
    if not since or tonumber(since) < young then out[#out + 1] = (i - 2) / 2 end
  end
end
-- A worker that died with a token in its hands woke nobody; one that is busy looks for itself before it waits.
if redis.call('EXISTS', base .. ':ring') == 1 and redis.call('LLEN', base .. ':wake') == 0 then
  redis.call('LPUSH', base .. ':wake', 1)
end
return out
