"""A server that says back what it hears, with two exceptions. It prints where it listens."""

import asyncio

import websockets


async def talk(socket, _path=None):
    async for message in socket:
        if message == "pieces":
            await socket.ping(b"still there?")
            await socket.send(["piece", "meal"])
        elif message == "goodbye":
            await socket.close(4000, "as you like")
        else:
            await socket.send(message)


async def main():
    async with websockets.serve(talk, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        print(f"{host}:{port}", flush=True)
        await asyncio.Future()


asyncio.run(main())
