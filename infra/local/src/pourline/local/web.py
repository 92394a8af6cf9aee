"""One question over HTTP, without loading an HTTP client into the supervisor."""

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

from pourline.kit.trust import Trust

LIVE, READY = "/health/live", "/health/ready"
ANSWER_WITHIN_S = 5.0


async def answers(url: str, path: str = READY, trust: Trust | None = None) -> bool:
    """Return whether the console at this address says that the bar is ready, or that it lives."""
    try:
        return await asyncio.wait_for(_status(url, path, trust or Trust()), ANSWER_WITHIN_S) == 200
    except (OSError, TimeoutError, ValueError):
        return False


async def _status(url: str, path: str, trust: Trust) -> int:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(
        parts.hostname, parts.port, ssl=trust.context() if parts.scheme == "https" else None
    )
    try:
        writer.write(f"GET {path} HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n".encode())
        return int((await reader.readline()).split()[1])
    except IndexError:
        return 0
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
