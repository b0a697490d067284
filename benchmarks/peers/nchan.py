"""nchan, nginx's module for event streams: a line is published to it by an HTTP request.

The process that follows the log and publishes is counted with the server, as `tail` is
with the others.
"""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.peers.follow import new_lines

MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")

_CONFIGURATION = """
load_module {module};
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
{user}
events {{ worker_connections 19000; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  keepalive_requests 1000000000;
  nchan_shared_memory_size 512m;
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location = /publish {{
      nchan_publisher;
      nchan_channel_id log;
      nchan_message_buffer_length 1000;
      nchan_message_timeout 60s;
    }}
    location / {{
      nchan_subscriber eventsource;
      nchan_channel_id log;
      nchan_subscriber_first_message newest;
      nchan_eventsource_ping_interval 15;
    }}
  }}
}}
"""


async def _publish(log: str, port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    print(f"  http://127.0.0.1:{port}/", flush=True)
    async for lines in new_lines(log):
        for _, line in lines:
            body = line.encode()
            writer.write(
                b"POST /publish HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%b"
                % (len(body), body)
            )
        for _ in lines:
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length or 0))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def _wait_for(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            return


async def _main(log: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        port = _free_port()
        text = _CONFIGURATION.format(
            module=MODULE, directory=directory, port=port, user="" if os.getuid() else "user root;"
        )
        configuration = Path(directory, "nginx.conf")
        configuration.write_text(text)
        environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin"}
        command = ["nginx", "-p", directory, "-e", "stderr", "-c", str(configuration)]
        with subprocess.Popen(command, env=environment) as nginx:
            try:
                await asyncio.wait_for(_wait_for(port), 10)
                await _publish(log, port)
            finally:
                nginx.terminate()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
