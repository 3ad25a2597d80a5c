-- Records that a claim of a message id has no answer. KEYS[1]: its key. ARGV: what became of it
-- ("free", "withdrawn", "lost" or "back"), fence. See claim.lua for the value.
local key, fate = KEYS[1], ARGV[1]

local value = redis.call('GET', key)
if not value then return 0 end
local state, fence, window, since, token, taken, digest = string.match(value, '^(%a+) (%S+) (%d+) (%d+) (%S+) (%d+) (%S+)$')
if fence ~= ARGV[2] then return 0 end
if fate == 'free' or fate == 'withdrawn' and taken == '0' then return redis.call('DEL', key) end

-- Of a claim that was taken over, only a lookback tells what became of it: it is handed on, with
-- its lease over.
local left = redis.call('PTTL', key)
if fate ~= 'lost' then left = math.min(left, tonumber(window)) end
redis.call('SET', key, table.concat({'undecided', fence, window, since, token, taken, digest}, ' '), 'PX', math.max(left, 1))
return 1
