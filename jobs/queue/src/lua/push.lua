-- ARGV[1] what a step of priority is worth, in ms, where the queue does not say; ARGV[2] 1 if the tasks may be held: they are not any
-- more. Then id, group, priority, ready time in ms; again and again.
-- Puts ids among the ready ones of their groups. An id that is there already stays where it is.
local aging, may_be_held = settings().aging_ms or tonumber(ARGV[1]), ARGV[2] == '1'
local members, entries = {}, {}
for i = 3, #ARGV, 4 do
  local id, group = ARGV[i], ARGV[i + 1]
  local of_group = members[group]
  if not of_group then
    of_group, entries[group] = {}, {}
    members[group] = of_group
  end
  -- A step of priority is worth so long a wait. The score never changes, and yet whatever waits is first some day.
  of_group[#of_group + 1] = tonumber(ARGV[i + 3]) - tonumber(ARGV[i + 2]) * aging
  of_group[#of_group + 1] = id
  if may_be_held then
    local of_held = entries[group]
    of_held[#of_held + 1] = id .. group
  end
end
local added, awake = 0, 0
for group, of_group in pairs(members) do
  -- A batch is bounded by whoever sends it, so these lists are, too.
  if may_be_held then
    local given_back = redis.call('ZREM', held, unpack(entries[group]))
    if given_back > 0 then left(group, given_back) end
  end
  local new = redis.call('ZADD', ready .. group, 'NX', unpack(of_group))
  added = added + new
  local waits = is_limited
    and (redis.call('SISMEMBER', parked, group) == 1 or redis.call('ZSCORE', later, group))
  if not waits then
    join(group)
    awake = awake + new
  end
end
deepen(added)
-- More tokens than workers are of no use, so their number is bounded.
for _ = 1, math.min(awake, 64) do redis.call('LPUSH', wake, 1) end
if awake > 0 then redis.call('LTRIM', wake, 0, 255) end
return added
