-- Moves a name, if it is stored, as an operator asks: takes it, so that its holder loses it, and
-- replaces the position, in one. KEYS[1]: the name's hash. ARGV: time to live in ms, the channels
-- of moves and of takes, the name as messages have it, topic, at, then partition, offset and
-- epoch of each place. Returns the fence, or nothing where no position is stored.
local function less(a, b)
  if #a ~= #b then return #a < #b end
  return a < b
end

local key = KEYS[1]
if redis.call('HEXISTS', key, 'topic') == 0 then return {} end
local time = redis.call('TIME')
local fence = time[1] .. string.format('%06d', tonumber(time[2]))
local stored = redis.call('HGET', key, 'fence')
if stored and not less(stored, fence) then
  fence = string.format('%.0f', tonumber(stored) + 1) -- see take.lua
end
redis.call('DEL', key)
redis.call('HSET', key, 'topic', ARGV[5], 'at', ARGV[6], 'fence', fence, 'moved', fence)
for i = 7, #ARGV, 3 do
  redis.call('HSET', key, 'p' .. ARGV[i], ARGV[i + 1] .. ':' .. ARGV[i + 2])
end
redis.call('PEXPIRE', key, ARGV[1])
-- First why, as whoever hears that the name is taken looks no further.
redis.call('PUBLISH', ARGV[2], ARGV[4] .. ' ' .. fence)
redis.call('PUBLISH', ARGV[3], ARGV[4] .. ' ' .. fence)
return {fence}
