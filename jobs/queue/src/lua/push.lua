-- ARGV[1] what a step of priority is worth, in ms, where the queue does not say; then id, group, priority, ready time in ms; again
-- and again.
-- Puts ids among the ready ones of their groups. An id that is there already stays where it is; one that was held is not any more.
local aging = settings().aging_ms or tonumber(ARGV[1])
local added, given_back, awake = 0, {}, 0
for i = 2, #ARGV, 4 do
  local id, group = ARGV[i], ARGV[i + 1]
  if redis.call('ZREM', held, id .. group) == 1 then given_back[group] = (given_back[group] or 0) + 1 end
  -- A step of priority is worth so long a wait. The score never changes, and yet whatever waits is first some day.
  local score = tonumber(ARGV[i + 3]) - tonumber(ARGV[i + 2]) * aging
  local is_new = redis.call('ZADD', ready .. group, 'NX', score, id)
  added = added + is_new
  local waits = is_limited
    and (redis.call('SISMEMBER', parked, group) == 1 or redis.call('ZSCORE', later, group))
  if not waits then
    join(group)
    awake = awake + is_new
  end
end
deepen(added)
for group, count in pairs(given_back) do left(group, count) end
-- More tokens than workers are of no use, so their number is bounded.
for _ = 1, math.min(awake, 64) do redis.call('LPUSH', wake, 1) end
if awake > 0 then redis.call('LTRIM', wake, 0, 255) end
return added
