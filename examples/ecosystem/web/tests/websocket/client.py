"""A client of the echo server at the URL given: whatever is not as it should be is an exception."""

import asyncio
import sys

import websockets


async def main(url):
    async with websockets.connect(url, subprotocols=["mumble", "chat"], max_size=None) as socket:
        assert socket.subprotocol == "chat", socket.subprotocol
        for message in ["hello", "", "\u00e4\u00f6\u00fc" * 1000, b"\x00\xff", b"x" * 1_000_000]:
            await socket.send(message)
            assert await socket.recv() == message
        await socket.send(["in ", "three ", "pieces"])
        assert await socket.recv() == "in three pieces"
        await asyncio.wait_for(await socket.ping(), 30)
        await socket.close(4000, "that was all")
        assert (socket.close_code, socket.close_reason) == (4000, "that was all"), socket.close_code

    # One byte more than a message may have.
    async with websockets.connect(url, max_size=None) as socket:
        await socket.send(b"x" * ((1 << 20) + 1))
        try:
            await socket.recv()
        except websockets.ConnectionClosed:
            pass
        else:
            raise AssertionError("it was too long")

    # Many at once.
    async def talk(n):
        async with websockets.connect(url) as socket:
            for m in range(20):
                await socket.send(f"{n} {m}")
                assert await socket.recv() == f"{n} {m}"

    await asyncio.gather(*(talk(n) for n in range(50)))


asyncio.run(asyncio.wait_for(main(sys.argv[1]), 60))
