"""What runs within the server: a few scripts that know keys and fields, and no rule of tasks.

Each is told the prefix of all keys as its only key, so that a cluster sends it to their slot.
Where memory is full the server refuses what adds tasks, before it has written anything. All else
runs: what is there can be read, ended and deleted, or nothing would ever make room.
"""

from __future__ import annotations

from hashlib import sha1
from typing import NamedTuple

__all__ = ["ADD", "BEAT", "CANDIDATES", "COMMIT", "FILTER", "READ", "TOUCHED", "Script"]


class Script(NamedTuple):
    """A script, and the name by which the server knows it."""

    text: str
    name: str


def _script(body: str, *, grows: bool = False) -> Script:
    text = ("#!lua\n" if grows else "#!lua flags=allow-oom\n") + body
    return Script(text, sha1(text.encode()).hexdigest())  # noqa: S324  (the server's choice)


# Commands, each behind its length: their replies, all of one instant.
READ = _script("""
local found, at = {}, 1
while at <= #ARGV do
  local size = tonumber(ARGV[at])
  found[#found + 1] = redis.call(unpack(ARGV, at + 1, at + size))
  at = at + size + 1
end
return found
""")

TOUCHED = "+"
"""In place of a task's state: only its version is written."""

# A version, for tasks that are written; how many tasks, each with the version that it has to have
# and its new state ('': none). How many fields have to be as they were read, and these, each with
# its key: '' for none; '<=' and the most that a count may be; '#' and the size of a set. Then
# commands. If something is not so, nothing is written. `ADD` is the same, for new tasks.
_WRITING = """
local head, tasks, at = KEYS[1] .. 'task:', tonumber(ARGV[2]), 3
for _ = 1, tasks do
  if (redis.call('HGET', head .. ARGV[at], 'v') or '') ~= ARGV[at + 1] then return 0 end
  at = at + 3
end
local fields = tonumber(ARGV[at])
at = at + 1
for _ = 1, fields do
  local key, field, want = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local how, same = string.sub(want, 1, 1), false
  if how == '#' then
    same = redis.call('ZCARD', key) == tonumber(string.sub(want, 2))
  elseif how == '<' then
    same = (tonumber(redis.call('HGET', key, field) or 0) or 0) <= tonumber(string.sub(want, 3))
  else
    same = (redis.call('HGET', key, field) or '') == want
  end
  if not same then return 0 end
  at = at + 3
end
for task = 3, 3 * tasks, 3 do
  local key, state = head .. ARGV[task], ARGV[task + 2]
  if state == '+' then
    redis.call('HSET', key, 'v', ARGV[1])
  elseif state ~= '' then
    redis.call('HSET', key, 'v', ARGV[1], 's', state)
  end
end
while at <= #ARGV do
  local size = tonumber(ARGV[at])
  redis.call(unpack(ARGV, at + 1, at + size))
  at = at + size + 1
end
return 1
"""
COMMIT, ADD = _script(_WRITING), _script(_WRITING, grows=True)

# The time; how many of what is found nobody else finds for a second or two, as whoever asks means
# to take them; queues, whose tasks that fell due go to their lanes; fields; sets whose tasks are
# passed over; then for each look how many, the microseconds of its ageing (0: none), and of which
# lanes. Of these the first in order, with their fields.
CANDIDATES = _script("""
local now, at = ARGV[1], 4
local seconds, offered = redis.call('TIME')[1], KEYS[1] .. 'offered'
redis.call('ZREMRANGEBYSCORE', offered, '-inf', seconds - 2)
for _ = 1, tonumber(ARGV[3]) do
  local queue = KEYS[1] .. 'due:' .. ARGV[at]
  at = at + 1
  local due = redis.call('ZRANGEBYSCORE', queue, '(0', now, 'LIMIT', 0, 10000)
  for _, member in ipairs(due) do
    local colon = string.find(member, ':', 1, true)
    local over = colon + tonumber(string.sub(member, 1, colon - 1))
    local lane = KEYS[1] .. 'lane:' .. string.sub(member, colon + 1, over)
    redis.call('ZADD', lane, 0, string.sub(member, over + 1))
    redis.call('ZADD', queue, 0, member)
  end
end
local fields = {'HMGET', ''}
for _ = 1, tonumber(ARGV[at]) do
  at = at + 1
  fields[#fields + 1] = ARGV[at]
end
at = at + 1
local held = {}
for _ = 1, tonumber(ARGV[at]) do
  at = at + 1
  held[#held + 1] = KEYS[1] .. ARGV[at]
end
if redis.call('EXISTS', offered) == 1 then held[#held + 1] = offered end
at = at + 1
local function is_held(member)
  for _, set in ipairs(held) do
    if redis.call('ZSCORE', set, string.sub(member, 47)) then return true end
  end
  return false
end
local function first(lane, from, to, most, seen)
  local left = most
  while left > 0 do
    local some = redis.call('ZRANGEBYLEX', lane, from, to, 'LIMIT', 0, most)
    for _, member in ipairs(some) do
      if left > 0 and not is_held(member) then
        seen[#seen + 1] = member
        left = left - 1
      end
    end
    if #some < most then return end
    from = '(' .. some[#some]
  end
end
local function first_of_each_rank(lane, most, seen)
  local head = redis.call('ZRANGE', lane, 0, 0)[1]
  while head do
    local rank = string.sub(head, 1, 10)
    first(lane, '[' .. rank, '(' .. rank .. ':', most, seen)
    head = redis.call('ZRANGEBYLEX', lane, '(' .. rank .. ':', '+', 'LIMIT', 0, 1)[1]
  end
end
local found, members = {}, {}
while at <= #ARGV do
  local most, step, seen, turns = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), {}, {}
  for _ = 1, tonumber(ARGV[at + 2]) do
    local lane = KEYS[1] .. 'lane:' .. ARGV[at + 3]
    if step == 0 then first(lane, '-', '+', most, seen) end
    if step > 0 then first_of_each_rank(lane, most, seen) end
    at = at + 1
  end
  at = at + 3
  if step > 0 then
    for _, one in ipairs(seen) do
      local rank = tonumber(string.sub(one, 1, 10)) - 2147483648
      turns[one] = rank * step + tonumber(string.sub(one, 11, 28))
    end
  end
  local function is_before(one, other)
    if turns[one] ~= turns[other] then return turns[one] < turns[other] end
    return string.sub(one, 11) < string.sub(other, 11)
  end
  table.sort(seen, step > 0 and is_before or nil)
  for number = 1, math.min(most, #seen) do
    local task = string.sub(seen[number], 47)
    fields[2] = KEYS[1] .. 'task:' .. task
    found[#found + 1] = task
    found[#found + 1] = redis.call(unpack(fields))
    members[#members + 1] = seen[number]
  end
end
table.sort(members)
for number = 1, math.min(tonumber(ARGV[2]), #members) do
  redis.call('ZADD', offered, seconds, string.sub(members[number], 47))
end
return found
""")

# Of these tasks, those that are in one of the sets of each filter. A filter that begins with a
# text ('?') takes tasks as well whose id begins with it, or who say it and are new enough; one of
# dates ('@') takes what is between them, one of a set ('!') what is not in it.
FILTER = _script("""
local filters, at = {}, 1
for number = 1, tonumber(ARGV[1]) do
  local size = tonumber(ARGV[at + 1])
  filters[number] = {unpack(ARGV, at + 2, at + 1 + size)}
  at = at + 1 + size
end
local function says(task, text, newest)
  if string.sub(task, 1, #text) == text then return true end
  local age = redis.call('ZSCORE', KEYS[1] .. 'all', task)
  if not age or tonumber(age) < tonumber(newest) then return false end
  local told = redis.call('HMGET', KEYS[1] .. 'task:' .. task, 'error', 'title', 'summary')
  for _, one in ipairs(told) do
    if one and string.find(one, text, 1, true) then return true end
  end
  return false
end
local function fits(task, filter)
  if filter[1] == '@' then
    local made = tonumber(redis.call('ZSCORE', KEYS[1] .. 'created', task) or '-inf')
    return made >= tonumber(filter[2]) and made < tonumber(filter[3])
  end
  if filter[1] == '!' then
    return not redis.call('ZSCORE', KEYS[1] .. filter[2], task)
  end
  for number = 4, #filter do
    if redis.call('ZSCORE', KEYS[1] .. filter[number], task) then return true end
  end
  return filter[1] == '?' and says(task, filter[2], filter[3])
end
local found = {}
for number = at + 1, #ARGV do
  local all = true
  for _, filter in ipairs(filters) do all = all and fits(ARGV[number], filter) end
  if all then found[#found + 1] = ARGV[number] end
end
return found
""")

# One more heartbeat of an instance that is alive.
BEAT = _script("""
if not redis.call('ZSCORE', KEYS[1] .. 'alive', ARGV[1]) then return 0 end
redis.call('HINCRBY', KEYS[1] .. 'beats', ARGV[1], 1)
redis.call('HSET', KEYS[1] .. 'lags', ARGV[1], ARGV[2])
return 1
""")
