-- KEYS: a bucket each, all of one caller. ARGV: of each how many, in how many ms, and how many at once.
-- Counts a request in all of them, or in none if one is full (generic cell rate algorithm, ITU-T I.371). Gives whether it was counted; then
-- of each bucket how many more may come now, and in how many ms there is one more.
local t = redis.call('TIME')
local now = t[1] * 1000 + t[2] / 1000
local buckets, counted = {}, 1
for i = 1, #KEYS do
  local every, burst = ARGV[3 * i - 1] / ARGV[3 * i - 2], tonumber(ARGV[3 * i])
  local at = math.max(tonumber(redis.call('GET', KEYS[i]) or 0), now)
  buckets[i] = { every = every, burst = burst, at = at }
  -- Sums of fractions may miss a whole one by a little.
  if at - now > (burst - 1) * every + 1e-6 then counted = 0 end
end
local out = { counted }
for i, bucket in ipairs(buckets) do
  if counted == 1 then
    bucket.at = bucket.at + bucket.every
    redis.call('SET', KEYS[i], string.format('%.17g', bucket.at), 'PX', math.ceil(bucket.at - now))
  end
  local left = math.max(0, math.floor((now - bucket.at) / bucket.every + bucket.burst + 1e-6))
  out[#out + 1] = left
  out[#out + 1] = math.max(0, math.ceil(bucket.at - now + (left + 1 - bucket.burst) * bucket.every))
end
return out
