-- ARGV[1] how much may be counted at once, ARGV[2] whether to set right what is wrong. Gives how many groups have a wrong number of
-- running tasks, and whether the number of ready ones is wrong. Of more than may be counted at once it says nothing: Redis runs one
-- script at a time.
local most, repair = tonumber(ARGV[1]), ARGV[2] == '1'
local groups, wrong, off = {}, 0, 0
if redis.call('ZCARD', held) + redis.call('HLEN', running) <= most then
  local counts = {}
  for _, entry in ipairs(redis.call('ZRANGE', held, 0, -1)) do
    local group = string.sub(entry, 17)
    counts[group] = (counts[group] or 0) + 1
  end
  local said = redis.call('HGETALL', running)
  for i = 1, #said, 2 do
    local more = tonumber(said[i + 1]) - (counts[said[i]] or 0)
    counts[said[i]] = nil
    if more ~= 0 then
      wrong = wrong + 1
      if repair then left(said[i], more) end
    end
  end
  for group, count in pairs(counts) do
    wrong = wrong + 1
    if repair then redis.call('HSET', running, group, count) end
  end
end
if redis.call('ZCARD', ring) + redis.call('SCARD', parked) + redis.call('ZCARD', later) <= most then
  for _, group in ipairs(redis.call('ZRANGE', ring, 0, -1)) do groups[group] = true end
  for _, group in ipairs(redis.call('ZRANGE', later, 0, -1)) do groups[group] = true end
  for _, group in ipairs(redis.call('SMEMBERS', parked)) do groups[group] = true end
  local more = tonumber(redis.call('GET', depth) or 0)
  for group in pairs(groups) do more = more - redis.call('ZCARD', ready .. group) end
  if more ~= 0 then
    off = 1
    if repair then deepen(-more) end
  end
end
return { wrong, off }
