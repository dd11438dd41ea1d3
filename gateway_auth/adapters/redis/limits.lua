--[[
Takes every limit of each waiting request, or none of them. It counts as core/windows.py does, by the server's clock.

KEYS      the windows, each once, all in one hash slot
ARGV[1]   empty for the server's clock; else microseconds since 1970 to take for now (tests move time with it)
ARGV[2]   MessagePack of { sets, checks }
            sets      each the limits of some requests, in order: { kind, count, period, burst, cost }
                      kind: 1 sliding, 2 bucket, 3 fixed, 4 calendar month; period in seconds (of 4: the longest),
                      the rest in units of cost
            checks    one per request, in order of arrival: { its set, window of the 1st limit, of the 2nd, ... }
                      as positions, from 1, in sets and in KEYS
reply     a list per check, of whole numbers
            admitted  { remaining, seconds to reset } of each limit, flat
            refused   the same, then the seconds until its cost fits of each limit: 0 where it would fit now

Only what was taken is written (and, once, windows that the server's clock was set back behind), each value with an
expiry, all at the end. Follows windows.lua in the same text. Needs Redis 6.2.
--]]

local sets, checks = unpack(cmsgpack.unpack(ARGV[2]))
for _, set in ipairs(sets) do
  for i, terms in ipairs(set) do
    set[i] = {
      kind = KINDS[terms[1]],
      is_month = terms[1] == CALENDAR_MONTH,
      count = terms[2],
      seconds = terms[3],
      period = terms[3] * SECOND,
      burst = terms[4],
      cost = terms[5],
    }
  end
end

-- Whether all fit. A window that stands twice among them has to have room for both.
local function all_fit(set, check)
  local is_fitting, asked = true, 0
  while is_fitting and asked < #set do
    asked = asked + 1
    local limit = set[asked]
    local window = window_at(check[asked + 1], limit)
    window.wanted = (window.wanted or 0) + limit.cost
    is_fitting = limit.kind.fits(window, limit, window.wanted)
  end
  for i = 1, asked do
    windows[check[i + 1]].wanted = 0
  end
  return is_fitting
end

local function admit(set, check)
  local reply = {}
  for i = 1, #set do
    local limit, window = set[i], windows[check[i + 1]]
    limit.kind.take(window, limit, now)
    window.written_by = limit
    reply[2 * i - 1], reply[2 * i] = limit.kind.look(window, limit, now)
  end
  return reply
end

local function refuse(set, check)
  local reply, waits = {}, {}
  for i = 1, #set do
    local limit = set[i]
    local kind, window = limit.kind, window_at(check[i + 1], limit)
    reply[2 * i - 1], reply[2 * i] = kind.look(window, limit, now)
    waits[i] = kind.fits(window, limit, limit.cost) and 0 or kind.wait(window, limit, now)
  end
  for i = 1, #set do
    reply[2 * #set + i] = waits[i]
  end
  return reply
end

local replies = {}
for position, check in ipairs(checks) do
  local set = sets[check[1]]
  replies[position] = all_fit(set, check) and admit(set, check) or refuse(set, check)
end

save_windows()
return replies
