--[[
Says how many slots one worker holds, and lends it more while all workers together hold fewer than there are.

KEYS      the partitions, each once, all in one hash slot: a hash of each, with a field per worker
ARGV[1]   the worker's id, which no other has had
ARGV[2]   the number of this call among the worker's, rising
ARGV[3]   milliseconds that what a worker said is believed
ARGV[4]   MessagePack of { held, wishes }
            held      of each of KEYS, how many slots the worker holds; -1 if it does not say
            wishes    one per request, in order of arrival: { position in KEYS, room, position, room, ... }
                      for one slot of each, or none, while no more than `room` are held
reply     a list per wish: { 1 if granted else 0, slots left of the 1st, of the 2nd, ... }; of a call that comes after
          a later one, an empty list, and nothing is done

A field is "call held end": when the worker said so, how many it holds, and when that is believed no more, in
milliseconds since 1970 by the server's clock. It stays when nothing is held, so that an older call that comes late
changes nothing. Every key expires with its last field. Needs Redis 6.2.
--]]

local call = redis.call
local worker, number, lease = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local held, wishes = unpack(cmsgpack.unpack(ARGV[4]))

local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function read(value)
  local at, count, ending = string.match(value, '^(%d+) (%d+) (%d+)$')
  return tonumber(at), tonumber(count), tonumber(ending)
end

-- What each worker said, by key. Another call of this one was faster where it said something later: this one is old.
local said = {}
for i, key in ipairs(KEYS) do
  local fields = call('HGETALL', key)
  for j = 1, #fields, 2 do
    local at = fields[j] == worker and read(fields[j + 1])
    if at and at >= number then
      return {}
    end
  end
  said[i] = fields
end

local total, own, is_written = {}, {}, {}
for i, fields in ipairs(said) do
  own[i] = math.max(0, held[i])
  total[i] = own[i]
  is_written[i] = held[i] >= 0
  for j = 1, #fields, 2 do
    local id = fields[j]
    local at, count, ending = read(fields[j + 1])
    if not at or ending <= now then
      call('HDEL', KEYS[i], id)
    elseif id ~= worker then
      if ending > now + lease then
        -- The clock was set back: a worker that is gone would keep its slots until it has caught up.
        call('HSET', KEYS[i], id, string.format('%d %d %d', at, count, now + lease))
      end
      total[i] = total[i] + count
    end
  end
end

local replies = {}
for position, wish in ipairs(wishes) do
  local is_granted = true
  for j = 1, #wish, 2 do
    is_granted = is_granted and total[wish[j]] < wish[j + 1]
  end
  local reply = { is_granted and 1 or 0 }
  for j = 1, #wish, 2 do
    local i = wish[j]
    if is_granted then
      total[i] = total[i] + 1
      own[i] = own[i] + 1
      is_written[i] = true
    end
    reply[#reply + 1] = math.max(0, wish[j + 1] - total[i])
  end
  replies[position] = reply
end

for i, key in ipairs(KEYS) do
  if is_written[i] then
    call('HSET', key, worker, string.format('%d %d %d', number, own[i], now + lease))
    call('PEXPIRE', key, lease)
  end
end
return replies
