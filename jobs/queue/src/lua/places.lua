-- ARGV: id, group; again and again. Gives of each whether it is ready, whether its group takes turns or waits for a limit, and for
-- how many ms it is held (-1: it is not).
local out, now = {}, now_ms()
for i = 1, #ARGV, 2 do
  local id, group = ARGV[i], ARGV[i + 1]
  local is_ready = redis.call('ZSCORE', ready .. group, id) and 1 or 0
  local turns = redis.call('ZSCORE', ring, group) or redis.call('ZSCORE', later, group)
    or redis.call('SISMEMBER', parked, group) == 1
  local since = redis.call('ZSCORE', held, id .. group)
  out[#out + 1] = is_ready
  out[#out + 1] = turns and 1 or 0
  out[#out + 1] = since and math.max(0, math.floor(now - tonumber(since))) or -1
end
return out
