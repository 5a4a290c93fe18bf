-- ARGV: what was taken, as claim gave it. It is not held any more.
local counts = {}
for _, entry in ipairs(ARGV) do
  if redis.call('ZREM', held, entry) == 1 then
    local group = string.sub(entry, 17)
    counts[group] = (counts[group] or 0) + 1
  end
end
for group, count in pairs(counts) do left(group, count) end
return 0
