-- Takes a name. KEYS[1]: the name's hash. ARGV: time to live in ms, channel,
-- the name as messages have it, whether to take a name that is not stored (1 or 0).
-- Returns the fence, then the hash, or nothing where the name was left alone.
local function less(a, b)
  if #a ~= #b then return #a < #b end
  return a < b
end

local key = KEYS[1]
if ARGV[4] == '0' and redis.call('EXISTS', key) == 0 then return {} end
local time = redis.call('TIME')
local fence = time[1] .. string.format('%06d', tonumber(time[2]))
local stored = redis.call('HGET', key, 'fence')
if stored and not less(stored, fence) then
  -- The clock went back, or this is the second take in a microsecond.
  fence = string.format('%.0f', tonumber(stored) + 1)
end
redis.call('HSET', key, 'fence', fence)
redis.call('PEXPIRE', key, ARGV[1])
redis.call('PUBLISH', ARGV[2], ARGV[3] .. ' ' .. fence)

local answer = {fence}
for _, text in ipairs(redis.call('HGETALL', key)) do answer[#answer + 1] = text end
return answer
