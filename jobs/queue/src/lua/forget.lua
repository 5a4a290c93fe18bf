-- ARGV: what was taken, as claim gave it. It is not held any more.
local groups = {}
for _, entry in ipairs(ARGV) do
  local group = string.sub(entry, 17)
  local entries = groups[group]
  if not entries then
    entries = {}
    groups[group] = entries
  end
  entries[#entries + 1] = entry
end
for group, entries in pairs(groups) do
  local count = redis.call('ZREM', held, unpack(entries))
  if count > 0 then left(group, count) end
end
return 0
