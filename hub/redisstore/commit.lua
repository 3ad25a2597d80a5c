-- Moves a cursor. KEYS[1]: the name's hash. ARGV: fence (0 for none), reset
-- (1 or 0), topic, at, time to live in ms, then partition, offset and epoch of
-- each place. Returns 1, or 0 where another has taken the name.
--
-- Lua's numbers are doubles, exact to 2^53 only: offsets, fences and times are
-- compared as text.
local function less(a, b)
  if #a ~= #b then return #a < #b end
  return a < b
end

local key, fence, topic, at = KEYS[1], ARGV[1], ARGV[3], ARGV[4]
local stored = {}
local flat = redis.call('HGETALL', key)
for i = 1, #flat, 2 do stored[flat[i]] = flat[i + 1] end

local replace = ARGV[2] == '1' or not stored.topic
local keep = stored.fence
if fence ~= '0' then
  if keep and less(fence, keep) then return 0 end
  -- Taken later than the store knows: it lost the take, and what stands there
  -- may be from one who had been superseded.
  if keep and less(keep, fence) then replace = true end
  keep = fence
end
if not replace and stored.topic ~= topic then
  -- A late commit from before the topic was made again must not undo later ones.
  if at ~= '0' and less(at, stored.at or '0') then return 1 end
  replace = true
end

local set = {}
local function put(field, value)
  set[#set + 1] = field
  set[#set + 1] = value
end

if replace then
  redis.call('DEL', key)
  put('topic', topic)
  put('at', at)
  if keep then put('fence', keep) end
  for i = 6, #ARGV, 3 do put('p' .. ARGV[i], ARGV[i + 1] .. ':' .. ARGV[i + 2]) end
else
  if keep ~= stored.fence then put('fence', keep) end
  local moved = false
  for i = 6, #ARGV, 3 do
    local field, offset, epoch = 'p' .. ARGV[i], ARGV[i + 1], ARGV[i + 2]
    local had = stored[field]
    local old, old_epoch
    if had then old, old_epoch = string.match(had, '^(%d+):(-?%d+)$') end
    if not old or less(old, offset) or (old == offset and tonumber(old_epoch) < tonumber(epoch)) then
      put(field, offset .. ':' .. epoch)
      moved = true
    end
  end
  if moved and less(stored.at or '0', at) then put('at', at) end
end

-- unpack is bound by Lua's stack, a topic's partitions are not.
for i = 1, #set, 1000 do
  redis.call('HSET', key, unpack(set, i, math.min(i + 999, #set)))
end
redis.call('PEXPIRE', key, ARGV[5])
return 1
