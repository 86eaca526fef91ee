"""A TCP port before a Unix socket or a TLS server, one request a connection.

A stream that does not end by itself (server-sent events, JSON lines) is ended for the client once nothing came for a moment, so
that a tool that reads answers whole can read it; the connection behind is closed then, as when a client dies. Everything else
goes through as it is, byte for byte, but for `Connection: close`.

    forward.py LISTEN-PORT unix PATH
    forward.py LISTEN-PORT tls HOST PORT CA-FILE [CERT-FILE KEY-FILE]
"""

import asyncio
import contextlib
import ssl
import sys

STREAMS = (b"text/event-stream", b"application/x-ndjson")
QUIET = 0.1


async def upstream(args):
    if args[0] == "unix":
        return await asyncio.open_unix_connection(args[1])
    host, port, roots, *pair = args[1:]
    context = ssl.create_default_context(cafile=roots)
    if pair:
        context.load_cert_chain(*pair)
    return await asyncio.open_connection(host, int(port), ssl=context)


async def head_of(reader):
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as e:
        return e.partial


async def body_of(lines, reader):
    lengths = [l.split(b":", 1)[1].strip() for l in lines if l.lower().startswith(b"content-length:")]
    try:
        return await reader.readexactly(int(lengths[0])) if lengths else b""
    except ValueError:
        return b""
    except asyncio.IncompleteReadError as e:
        return e.partial


async def pump(reader, writer):
    """The rest of the client's request; the server says when it has enough."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


async def stream(reader):
    """A chunked body until it is quiet, and its proper end."""
    body = b""
    while True:
        try:
            data = await asyncio.wait_for(reader.read(65536), QUIET if body else 5)
        except asyncio.TimeoutError:
            return body + b"0\r\n\r\n"
        if not data:
            return body
        body += data


async def serve(args, reader, writer):
    with contextlib.closing(writer):
        head = await head_of(reader)
        if not head.endswith(b"\r\n\r\n"):
            return
        lines = [l for l in head[:-4].split(b"\r\n") if not l.lower().startswith(b"connection:")]
        try:
            back, forth = await upstream(args)
        except OSError:
            return
        # In one piece: a server that answers before the body has come closes, and to write then would lose its answer here.
        body = await body_of(lines, reader)
        forth.write(b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body)
        sending = asyncio.create_task(pump(reader, forth))
        answer = await head_of(back)
        writer.write(answer)
        if any(b"content-type: " + s in answer.lower() for s in STREAMS):
            writer.write(await stream(back))
        else:
            while data := await back.read(65536):
                writer.write(data)
        sending.cancel()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.drain()
            forth.close()


async def main():
    port, *args = sys.argv[1:]

    async def guarded(reader, writer):
        with contextlib.suppress(OSError, ssl.SSLError, asyncio.LimitOverrunError):
            await serve(args, reader, writer)

    server = await asyncio.start_server(guarded, "127.0.0.1", int(port), limit=1 << 20)
    async with server:
        await server.serve_forever()


asyncio.run(main())
