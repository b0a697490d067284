"""The floor for Python: plain blocking sockets in a plain loop, and nothing else.

No web server: no routes, no timeouts, no resume, and a slow client stops everyone. With
a certificate it speaks TLS, and so shows what that costs by itself.
"""

import os
import select
import socket
import ssl
import subprocess
import sys

from benchmarks.peers.follow import READ_SIZE, listen, tail_command

HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: stream opened\n\n"


def main(log: str, certificate: str | None = None) -> None:
    offset = os.stat(log).st_size
    tail = subprocess.Popen(tail_command(log, offset), stdout=subprocess.PIPE)
    assert tail.stdout is not None
    pipe = tail.stdout.fileno()
    context = None
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    listener = listen("https" if context else "http")
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    poll.register(pipe, select.POLLIN)
    clients: set[socket.socket] = set()
    rest = b""
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == listener.fileno():
                client, _ = listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if context:
                    client = context.wrap_socket(client, server_side=True)
                client.recv(READ_SIZE)
                client.sendall(HEAD)
                clients.add(client)
                continue
            data = rest + os.read(pipe, READ_SIZE)
            end = data.rfind(b"\n") + 1
            frames = bytearray()
            for line in data[:end].splitlines(keepends=True):
                offset += len(line)
                frames += b"id: %x\ndata: %b\n" % (offset, line)
            rest = data[end:]
            for client in list(clients):
                try:
                    client.sendall(frames)
                except OSError:
                    clients.discard(client)


if __name__ == "__main__":
    main(*sys.argv[1:])
