"""The package websockets as a peer of the Go program beside this directory.

usage: python peer.py client|server

A client sends the messages of each case to the case's URL and wants them back;
a server sends back what it gets. The job is a line of JSON on standard input,
whose end is the end of this process. Every event is a line of JSON on standard
output.
"""
import asyncio
import base64
import json
import os
import sys
import threading

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)


def tell(**event):
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def options(test, factory):
    """Keyword arguments for a case. What it does not say is the package's default."""
    wishes = test["deflate"]
    if wishes is None:
        return {}
    if wishes.get("client_max_window_bits") is False:
        wishes = {**wishes, "client_max_window_bits": None}
    return {"compression": None, "extensions": [factory(**wishes)]}


def wire_extensions(connection):
    response = connection.response
    return ", ".join(response.headers.get_all("Sec-WebSocket-Extensions"))


def pieces(message):
    """A message in three fragments; its last is empty."""
    step = max(1, len(message) // 2 + 1)
    cut = [message[at : at + step] for at in range(0, len(message), step)]
    return cut + [message[:0]]


async def send(connection, message, fragment):
    await connection.send(pieces(message) if fragment else message)


def read(name):
    with open(name, encoding="utf-8") as file:
        return [line["text"] if "text" in line else base64.b64decode(line.get("binary", ""))
                for line in json.load(file)]


async def run_client(test, messages):
    received, error, closed, extensions = 0, "", None, ""
    try:
        async with connect(test["url"], max_size=None, ping_interval=None, proxy=None,
                           **options(test, ClientPerMessageDeflateFactory)) as connection:
            extensions = wire_extensions(connection)

            async def send_all():
                for message in messages:
                    await send(connection, message, test["fragment"])

            sender = asyncio.create_task(send_all())
            try:
                for want in messages:
                    got = await connection.recv()
                    received += 1
                    if got != want:
                        error = f"message {received - 1} came back as another"
                        break
            finally:
                sender.cancel()
            await connection.close(1000)
            closed = connection.close_code
    except Exception as exception:
        error = error or f"{type(exception).__name__}: {exception}"
    tell(case=test["name"], extensions=extensions, received=received, closed=closed, error=error)


async def run_server(test):
    async def echo(connection):
        received, error = 0, ""
        try:
            while True:
                message = await connection.recv()
                received += 1
                await send(connection, message, test["fragment"])
        except ConnectionClosed as exception:
            if exception.rcvd is None:
                error = str(exception)
        tell(case=test["name"], extensions=wire_extensions(connection), received=received,
             closed=connection.close_code, error=error)

    server = await serve(echo, "127.0.0.1", 0, max_size=None, ping_interval=None,
                         **options(test, ServerPerMessageDeflateFactory))
    tell(case=test["name"], port=server.sockets[0].getsockname()[1])
    return server


async def main(role, job):
    if role == "server":
        servers = [await run_server(test) for test in job["cases"]]
        await asyncio.gather(*(server.serve_forever() for server in servers))
        return
    for test in job["cases"]:
        await run_client(test, read(test["messages"]))


def end_with_parent():
    sys.stdin.read()
    os._exit(0)


job = json.loads(sys.stdin.readline())
threading.Thread(target=end_with_parent, daemon=True).start()
asyncio.run(main(sys.argv[1], job))
