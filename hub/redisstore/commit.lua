-- Moves a cursor. KEYS[1]: the name's hash. ARGV: fence (0 for none), reset
-- (1 or 0), topic, at, time to live in ms, breaks of the topic, whether to move a
-- name that is not stored (1 or 0), since when the position goes on from what was
-- stored, as a fence, then partition, offset, epoch and breaks of each place. Returns
-- {0} where another has taken the name, {1, at} where the position is stored as it is,
-- {3} where the name was left alone, {4} where an operator has moved the name, else 2
-- and the fields and values of what is stored.
--
-- Lua's numbers are doubles, exact to 2^53 only: offsets, fences and times are
-- compared as text.
local function less(a, b)
  if #a ~= #b then return #a < #b end
  return a < b
end

local key, fence, topic, at = KEYS[1], ARGV[1], ARGV[3], ARGV[4]
local fenced = fence ~= '0'
local stored = {}
local flat = redis.call('HGETALL', key)
if ARGV[7] == '0' and #flat == 0 then return {3} end
for i = 1, #flat, 2 do stored[flat[i]] = flat[i + 1] end

local replace = ARGV[2] == '1' or not stored.topic
local late = false
local keep = stored.fence
if fenced then
  if keep and less(fence, keep) then return {stored.moved == keep and 4 or 0} end
  -- Taken later than the store knows: it lost the take, and what stands there
  -- may be from one who had been superseded.
  if keep and less(keep, fence) then replace = true end
  keep = fence
elseif ARGV[2] == '0' and stored.moved and less(ARGV[8], stored.moved) then
  return {4}
end

-- The breaks that the fence's owner had told when it last wrote, in all or in a
-- partition.
local function breaks(field)
  local of, n = string.match(stored[field] or '', '^(%d+):(%d+)$')
  if of == fence then return tonumber(n) end
  return 0
end
local changes, had = tonumber(ARGV[6]), breaks('breaks')
if fenced and not replace then
  replace, late = changes > had, changes < had
end
if not replace and not late and stored.topic ~= topic then
  -- A late commit from before the topic was made again must not undo later ones.
  late = at ~= '0' and less(at, stored.at or '0')
  replace = not late
end

local set = {}
local function put(field, value)
  set[#set + 1] = field
  set[#set + 1] = value
  stored[field] = value
end

-- Whether a place is further than what is stored. What a subscription acks is
-- of one log, as it is told when that is cut short; all others go by epoch
-- first, as an earlier epoch with a higher offset is of a log cut short since.
local function further(had, offset, epoch)
  local old, old_epoch = string.match(had, '^(%d+):(-?%d+)$')
  if not old then return true end
  local by_epoch = tonumber(epoch) - tonumber(old_epoch)
  if not fenced and by_epoch ~= 0 then return by_epoch > 0 end
  return less(old, offset) or (old == offset and by_epoch > 0)
end

if replace then
  redis.call('DEL', key)
  local before = stored
  stored = {}
  -- A PUT with reset does not undo what the fence's owner had told.
  if not fenced then
    for field, value in pairs(before) do
      if string.sub(field, 1, 1) == 'b' then put(field, value) end
    end
  end
  -- Nor does anything but that end that what is from before a move is refused.
  if before.moved and (fenced or ARGV[2] == '0') then put('moved', before.moved) end
  put('topic', topic)
  put('at', at)
  if keep then put('fence', keep) end
  if fenced and changes > 0 then put('breaks', fence .. ':' .. ARGV[6]) end
elseif keep ~= stored.fence then
  put('fence', keep)
end
local moved, same = false, not late and stored.topic == topic
local extra = 0 -- partitions that stand there and are not named
if not replace then
  for i = 1, #flat, 2 do
    if string.sub(flat[i], 1, 1) == 'p' then extra = extra + 1 end
  end
end
for i = 9, #ARGV, 4 do
  if late then break end
  local field, value = 'p' .. ARGV[i], ARGV[i + 1] .. ':' .. ARGV[i + 2]
  local now, cut, was = stored[field], 0, 0
  if now then extra = extra - 1 end
  if fenced then
    cut = tonumber(ARGV[i + 3])
    was = replace and changes or math.max(had, breaks('b' .. ARGV[i]))
    if cut > was then put('b' .. ARGV[i], fence .. ':' .. ARGV[i + 3]) end
  end
  if now == value then
    -- as it was
  elseif not now or cut > was or cut == was and further(now, ARGV[i + 1], ARGV[i + 2]) then
    put(field, value)
    moved = true
  else
    same = false
  end
end
if moved and less(stored.at or '0', at) then put('at', at) end

-- unpack is bound by Lua's stack, a topic's partitions are not.
for i = 1, #set, 1000 do
  redis.call('HSET', key, unpack(set, i, math.min(i + 999, #set)))
end
redis.call('PEXPIRE', key, ARGV[5])

if same and extra == 0 then return {1, stored.at} end
local answer = {2}
for field, value in pairs(stored) do
  answer[#answer + 1] = field
  answer[#answer + 1] = value
end
return answer
