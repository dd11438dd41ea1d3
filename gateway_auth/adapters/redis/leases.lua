--[[
Lends shares of limits ahead of requests, and takes them back. It counts as core/windows.py does, by the server's clock.

KEYS      windows, and windows of what is lent of them, each once, all in one hash slot
ARGV[1]   empty for the server's clock; else microseconds since 1970 to take for now (tests move time with it)
ARGV[2]   MessagePack of { terms, questions }
            terms      each a limit and how it is lent: { kind, count, period, burst, unit, life, most }
                       the first four as in limits.lua; unit is what one request costs: shares are multiples of it;
                       a share lives `life` microseconds, and at most `most` units are lent at any moment
            questions  each a list of wants that are met together or not at all:
                       { its terms, its window, its window of what is lent, need, ahead, then for each closed share:
                       its stamp, units lent no longer, units unused }
                       windows as positions, from 1, in KEYS; 0 where nothing is lent
reply     { now, then for each question a list of four whole numbers for each want:
            what is left, microseconds until something comes back, seconds until the need fits (0: it does, or nothing
            was needed), the share granted }

Shares of a question whose needs do not fit are not granted; closed shares are given back in any case. A sliding window of
what was lent in the last `life` holds each share until it is given back or has ended, so their sum is never more than
`most`, whoever holds them. Follows windows.lua in the same text. Needs Redis 6.2.
--]]

local LEFT_PART = 4 -- a share is at most this part of what is left: the less there is, the smaller they are
local FREE_PART = 2 -- and at most this part of what may still be lent: others come too

local terms, questions = unpack(cmsgpack.unpack(ARGV[2]))
for i, of in ipairs(terms) do
  terms[i] = {
    kind = KINDS[of[1]],
    is_month = of[1] == CALENDAR_MONTH,
    count = of[2],
    seconds = of[3],
    period = of[3] * SECOND,
    burst = of[4],
    unit = of[5],
    lent = { kind = sliding, count = of[7], seconds = up(of[6], SECOND), period = of[6] },
  }
end

-- Giving back ---------------------------------------------------------------------------------------------------------

-- Whether a mark holds what was taken at that moment. Marks of many stand at the latest of their moments.
local function is_of(limit, moment, stamp)
  if limit.count <= MAX_MARKS then
    return moment == stamp
  end
  local grain = limit.period / MAX_MARKS
  return moment >= stamp and down(moment, grain) == down(stamp, grain)
end

local function give_back_marks(window, limit, stamp, amount)
  local kept, rest = {}, amount
  for at = 1, #window.marks, 12 do
    local moment, cost = unpack_from('>dI4', window.marks, at)
    if rest > 0 and is_of(limit, moment, stamp) then
      local back = min(rest, cost)
      rest, cost = rest - back, cost - back
    end
    if cost > 0 then
      kept[#kept + 1] = pack('>dI4', moment, cost)
    end
  end
  if rest > 0 and is_of(limit, window.last, stamp) then
    local back = min(rest, window.last_cost)
    rest, window.last_cost = rest - back, window.last_cost - back
  end
  window.marks, window.used = table.concat(kept), window.used - (amount - rest)
end

local GIVE_BACK = {
  [sliding] = give_back_marks,
  -- A bucket that is full meanwhile has no room for it.
  [bucket] = function(window, _, _, amount)
    window.units = window.units - amount
    if window.units < 0 then
      window.units, window.parts = 0, 0
    end
  end,
  -- Only to the window it was taken of.
  [fixed] = function(window, limit, stamp, amount)
    if end_of(limit, stamp) == window.ends then
      window.used = max(0, window.used - amount)
    end
  end,
}

local function give_back(position, limit, stamp, amount)
  if amount > 0 then
    local window = window_at(position, limit)
    GIVE_BACK[limit.kind](window, limit, stamp, amount)
    window.written_by = limit
  end
end

-- Taking --------------------------------------------------------------------------------------------------------------

local function take(position, limit, amount)
  if amount > 0 then
    local window = window_at(position, limit)
    limit.cost = amount
    limit.kind.take(window, limit, now)
    window.written_by = limit
  end
end

local function share_of(limit, left, lent_at, ahead)
  if ahead == 0 then
    return 0
  end
  local free = limit.lent.count - window_at(lent_at, limit.lent).used
  local share = min(ahead, floor(left / LEFT_PART), up(max(0, free), FREE_PART))
  return max(0, share - share % limit.unit)
end

local function reset_of(window, limit)
  if limit.kind == sliding then
    return window.used > 0 and oldest(window) + limit.period - now or 0
  elseif limit.kind == fixed then
    return min(window.ends - now, limit.period)
  end
  local parts = window.parts > 0 and window.parts or (window.units > 0 and limit.period or 0)
  return up(parts, limit.count)
end

local function fits(want)
  local limit, need = terms[want[1]], want[4]
  return need == 0 or limit.kind.fits(window_at(want[2], limit), limit, need)
end

local function answer(want, is_granting)
  local limit, at, lent_at, need, ahead = terms[want[1]], want[2], want[3], want[4], want[5]
  local window, share = window_at(at, limit), 0
  if is_granting then
    share = share_of(limit, limit.kind.look(window, limit, now) - need, lent_at, ahead)
    take(at, limit, need + share)
    take(lent_at, limit.lent, share)
  end
  limit.cost = need
  local wait = (is_granting or fits(want)) and 0 or limit.kind.wait(window, limit, now)
  return (limit.kind.look(window, limit, now)), reset_of(window, limit), wait, share
end

local replies = { now }
for number, wants in ipairs(questions) do
  for _, want in ipairs(wants) do
    local limit = terms[want[1]]
    for i = 6, #want, 3 do
      give_back(want[3], limit.lent, want[i], want[i + 1])
      give_back(want[2], limit, want[i], want[i + 2])
    end
  end
  local is_granting = true
  for _, want in ipairs(wants) do
    is_granting = is_granting and fits(want)
  end
  local reply = {}
  for i, want in ipairs(wants) do
    reply[4 * i - 3], reply[4 * i - 2], reply[4 * i - 1], reply[4 * i] = answer(want, is_granting)
  end
  replies[number + 1] = reply
end

save_windows()
return replies
