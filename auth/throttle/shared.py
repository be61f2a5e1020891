"""The throttle of several processes: what auth.throttle counts, counted in Redis.

Each call is one script, which Redis runs alone: no two attempts at once find the same count. Keys expire once they would have
leaked away. What stands for an address is a keyed hash: Redis learns nobody's, not even by trying. All keys share a hash
tag, so that a cluster keeps them together.

Guessing must not go on while Redis is away, nor signing in end: this process then counts by itself, and asks Redis again after
some seconds. An outage is told once, and its end.
"""

import hashlib
import hmac
import math
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from auth.throttle import Key, Throttle
from models.clock import Clock
from models.errors import Throttled

log = structlog.stdlib.get_logger()

PATIENCE = 0.25  # seconds for an answer of Redis, which takes less than one of them in a thousand
PAUSE = 5.0  # seconds in which a Redis that did not answer is left alone

# KEYS are what is counted. ARGV: what to do, the time, then for each key its limit: free, leak, cap, blocks, heated, highest.
# Times are in seconds. A key holds its level, when it was so, and from when on the next attempt is heard.
# ATTEMPT answers the longest wait, "0" when it was counted, and the places of the keys that had to wait.
_SCRIPT = """
local what, now = ARGV[1], tonumber(ARGV[2])
local levels, waits, longest, heated = {}, {}, 0, false
local function limit(i, n) return tonumber(ARGV[2 + (i - 1) * 6 + n]) end
local function wait(i, level)
  local over = math.ceil(level) - limit(i, 1)
  if over <= 0 or limit(i, 4) == 0 then return 0 end
  return math.min(2 ^ math.min(over - 1, 30), limit(i, 3))
end
local function put(i, level)
  level = math.min(level, limit(i, 6))
  local waits = wait(i, level)
  redis.call('HSET', KEYS[i], 'level', string.format('%.9f', level), 'at', ARGV[2], 'free', string.format('%.6f', now + waits))
  redis.call('PEXPIRE', KEYS[i], math.ceil((level * limit(i, 2) + waits) * 1000) + 1000)
end
for i, key in ipairs(KEYS) do
  local found = redis.call('HMGET', key, 'level', 'at', 'free')
  levels[i] = found[1] and math.max(0, tonumber(found[1]) - (now - tonumber(found[2])) / limit(i, 2)) or 0
  local ahead = found[1] and tonumber(found[3]) - now or 0
  if ahead > 0 then waits[#waits + 1] = i end
  longest = math.max(longest, ahead)
  if limit(i, 4) == 0 and levels[i] >= limit(i, 1) then heated = true end
end
if what == 'TAKE_BACK' then
  for i, key in ipairs(KEYS) do
    if redis.call('EXISTS', key) == 1 then put(i, math.max(0, levels[i] - 1)) end
  end
elseif longest <= 0 then
  for i in ipairs(KEYS) do put(i, levels[i] + (heated and limit(i, 5) or 1)) end
end
return {string.format('%.6f', math.max(0, longest)), waits}
"""


class SharedThrottle(Throttle):
    """Counts in Redis at `url` (redis://, rediss://, unix://), and by itself while that is away. `secret` keys the hashes."""

    def __init__(self, clock: Clock, url: str, secret: str) -> None:
        super().__init__(clock)
        self._redis = Redis.from_url(
            url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE, single_connection_client=False, retry=None
        )
        self._script = self._redis.register_script(_SCRIPT)
        self._secret = hashlib.sha256(b"camcha throttle" + secret.encode()).digest()
        self._away_until = 0.0

    async def attempt(self, *keys: Key) -> None:
        """As Throttle.attempt, over all processes."""
        told = await self._run("ATTEMPT", keys)
        if told is None:
            await super().attempt(*keys)
            return
        wait, places = float(told[0]), [int(place) - 1 for place in told[1]]
        if wait > 0:
            log.warning("attempt.throttled", limits=[keys[place].limit.name for place in places])
            raise Throttled(math.ceil(wait))

    async def clear(self, *keys: Key) -> None:
        """As Throttle.clear."""
        await super().clear(*keys)
        if keys:
            await self._asked(lambda: self._redis.delete(*map(self._name, keys)))

    async def take_back(self, *keys: Key) -> None:
        """As Throttle.take_back."""
        if await self._run("TAKE_BACK", keys) is None:
            await super().take_back(*keys)

    async def close(self) -> None:
        """Leave Redis."""
        await self._redis.aclose()

    async def _run(self, what: str, keys: tuple[Key, ...]) -> Any:
        if not keys:
            return None
        limits: list[float] = []
        for each in keys:
            it = each.limit
            limits += [it.free, it.leak.total_seconds(), it.cap.total_seconds(), int(it.blocks), it.heated, it.highest]
        now = f"{self._clock.now().timestamp():.6f}"
        return await self._asked(lambda: self._script(keys=list(map(self._name, keys)), args=[what, now, *limits]))

    async def _asked(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        """Redis's answer, None while it is away."""
        if monotonic() < self._away_until:
            return None
        try:
            answer = await ask()
        except (RedisError, OSError, TimeoutError) as fault:
            if not self._away_until:
                log.error("throttle.unavailable", error=type(fault).__name__)
            self._away_until = monotonic() + PAUSE
            return None
        if self._away_until:
            self._away_until = 0.0
            log.info("throttle.restored")
        return answer

    def _name(self, key: Key) -> str:
        whom = hmac.new(self._secret, f"{key.limit.name}\0{key.whom}".encode(), hashlib.sha256).hexdigest()
        return f"{{camcha:throttle}}:{whom}"


def redis_fault(url: str) -> str | None:
    """What is wrong with the address of a Redis, None for a good one."""
    try:
        Redis.from_url(url)
    except ValueError:
        return "redis://host:6379/0, rediss://user:password@host or unix:///path"
    return None
