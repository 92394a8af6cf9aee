"""Entering a broker as devices do: again, until it lets one in."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import aiomqtt

WITHIN_S = 30.0
AGAIN_S = 0.1


@contextlib.asynccontextmanager
async def entered(
    new_client: Callable[[], aiomqtt.Client], *, within_s: float = WITHIN_S
) -> AsyncIterator[aiomqtt.Client]:
    """Be connected; raises `TimeoutError` when never let in.

    A broker refuses whom it knows too while whoever decides is away, or the machine stood still.
    """
    async with contextlib.AsyncExitStack() as stack:
        async with asyncio.timeout(within_s):
            mqtt = await _let_in(stack, new_client)
        yield mqtt


async def _let_in(
    stack: contextlib.AsyncExitStack, new_client: Callable[[], aiomqtt.Client]
) -> aiomqtt.Client:
    while True:
        try:
            return await stack.enter_async_context(new_client())
        except aiomqtt.MqttError:
            await asyncio.sleep(AGAIN_S)
