-- Records what became of a claim of a message id. KEYS[1]: its key. ARGV: what ("answered",
-- "free", "withdrawn", "lost" or "back"), digest, fence, token, answer, time to live of an answer
-- in ms. See claim.lua for the value.
local key, fate = KEYS[1], ARGV[1]

local function settle()
  redis.call('SET', key, 'settled ' .. ARGV[2] .. ' ' .. ARGV[5], 'PX', ARGV[6])
  return 1
end

local value = redis.call('GET', key)
if not value then
  -- The claim is lost, or its time is up. That the record is stored is true all the same.
  if fate == 'answered' then return settle() end
  return 0
end
local _, fence, lease, since, token, taken, digest = string.match(value, '^(%a+) (%S+) (%d+) (%d+) (%S+) (%d+) (%S+)$')
if not fence then return 0 end
if fate == 'answered' then
  -- Whoever's claim it is now: it is about the record with this token.
  if token == ARGV[4] and digest == ARGV[2] then return settle() end
  return 0
end
if fence ~= ARGV[3] then return 0 end
if fate == 'free' or fate == 'withdrawn' and taken == '0' then return redis.call('DEL', key) end

-- Of a claim that was taken over, only a lookback tells what became of it.
if fate ~= 'lost' then lease = 0 end
local left = redis.call('PTTL', key)
redis.call('SET', key, table.concat({'undecided', fence, lease, since, token, taken, digest}, ' '), 'PX', math.max(left, 1))
return 1
