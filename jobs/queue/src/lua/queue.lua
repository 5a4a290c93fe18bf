-- What all scripts of a queue share. KEYS[1] is the queue's base key; queue.rs says what lies under it.
local base = KEYS[1]
local ready, ring, past, held = base .. ':ready:', base .. ':ring', base .. ':past', base .. ':held'
local running, parked, later, spent = base .. ':running', base .. ':parked', base .. ':later', base .. ':spent'
local wake, full, depth, limits = base .. ':wake', base .. ':full', base .. ':depth', base .. ':limits'
local is_limited = redis.call('EXISTS', limits) == 1

local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + t[2] / 1000
end

-- A number as an argument: Lua would leave out digits behind the fourteenth.
local function exact(number)
  return string.format('%.17g', number)
end

local function read(field)
  local json = redis.call('HGET', limits, field)
  return json and cjson.decode(json)
end

-- The settings of the queue itself.
local function settings()
  return is_limited and read('queue') or {}
end

-- The limits of a group: its own, or those that all groups have; nil when there are none.
local common, has_own
local function rule(group)
  if not is_limited then return nil end
  if common == nil then
    common = read('groups') or false
    -- The other field is `queue`, which is always there.
    has_own = redis.call('HLEN', limits) > (common and 2 or 1)
  end
  return has_own and read('group:' .. group) or common or nil
end

-- Generic cell rate algorithm (ITU-T I.371): how many may start now, and in how many ms the next one may.
local function tokens(name, rate, now)
  local every = rate.per_ms / rate.limit
  local at = math.max(tonumber(redis.call('ZSCORE', spent, name) or 0), now)
  -- Sums of fractions may fall short of a whole one by a little.
  local count = math.floor((now - at) / every + rate.burst + 1e-6)
  return count, at - now - (rate.burst - 1) * every
end

local function spend(name, rate, now, count)
  local at = math.max(tonumber(redis.call('ZSCORE', spent, name) or 0), now)
  redis.call('ZADD', spent, exact(at + count * rate.per_ms / rate.limit), name)
end

-- A group that joins starts at the present: it is owed nothing for the time it had nothing to do. One that has just had its turn
-- starts behind it, or it would be first again and again.
local function join(group)
  local from = redis.call('ZSCORE', past, group) or redis.call('GET', base .. ':vtime') or '0'
  if redis.call('ZADD', ring, 'NX', from, group) == 1 then redis.call('ZREM', past, group) end
end

-- A token wakes one worker.
local function call_one()
  if redis.call('LLEN', wake) == 0 then redis.call('LPUSH', wake, 1) end
end

-- So many of a group are not held any more. What waited for that goes on. Limits that were taken away were settled.
local function left(group, count)
  local still = redis.call('HINCRBY', running, group, -count)
  if still <= 0 then redis.call('HDEL', running, group) end
  if not is_limited then return end
  if redis.call('SISMEMBER', parked, group) == 1 then
    local mine = rule(group) or {}
    if not mine.paused and not (mine.concurrency and still >= mine.concurrency) then
      redis.call('SREM', parked, group)
      if redis.call('EXISTS', ready .. group) == 1 then
        join(group)
        call_one()
      end
    end
  end
  if redis.call('DEL', full) == 1 then call_one() end
end

-- The number of ready ids; a key that says zero is none.
local function deepen(count)
  if count ~= 0 and redis.call('INCRBY', depth, count) <= 0 then redis.call('DEL', depth) end
end
