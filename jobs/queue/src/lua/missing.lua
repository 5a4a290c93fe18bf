-- ARGV[1] an age in ms; then id, group; again and again.
-- Gives the numbers (from 0) of the pairs that are neither ready nor held since less than the age: whoever took one longer ago
-- should have claimed it by now.
-- A group with something ready that waits nowhere takes its turns again: a server that evicts may have lost where it was.
local out, young, seen = {}, now_ms() - tonumber(ARGV[1]), {}
for i = 2, #ARGV, 2 do
  local group = ARGV[i + 1]
  if redis.call('ZSCORE', ready .. group, ARGV[i]) then
    if not seen[group] and not redis.call('ZSCORE', ring, group) and not redis.call('ZSCORE', later, group)
      and redis.call('SISMEMBER', parked, group) == 0 then
      join(group)
    end
    seen[group] = true
  else
    local since = redis.call('ZSCORE', held, ARGV[i] .. ARGV[i + 1])
    if not since or tonumber(since) < young then out[#out + 1] = (i - 2) / 2 end
  end
end
-- A worker that died with a token in its hands woke nobody; one that is busy looks for itself before it waits.
if redis.call('EXISTS', ring) + redis.call('EXISTS', later) > 0 and not settings().paused
  and redis.call('EXISTS', full) == 0 then
  call_one()
end
return out
