-- ARGV[1] how many groups at most. The limits have changed: groups that waited take their turns again, and the next claim sees
-- whether they still have to. Gives how many there were; again until there are none.
local groups = redis.call('SPOP', parked, ARGV[1])
local timed = redis.call('ZPOPMIN', later, ARGV[1])
for i = 1, #timed, 2 do groups[#groups + 1] = timed[i] end
for _, group in ipairs(groups) do
  if redis.call('EXISTS', ready .. group) == 1 then join(group) end
end
redis.call('DEL', full)
if redis.call('EXISTS', ring) == 1 then call_one() end
return #groups
