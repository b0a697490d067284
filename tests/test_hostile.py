"""Requests that mean harm: what each gets, and that nothing is left of it."""

import re
import select
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.fuzz import fuzz
from tests.running import PATIENCE, Server, following, running, wait_until

CLOSED = 0
"""In place of a status: closed without an answer."""

SILENT = -1
"""In place of a status: no answer, and closed when the time for a request is over."""

H = b" HTTP/1.1\r\nHost: localhost\r\n"
END = b"\r\n\r\n"


def get(target: bytes, headers: bytes = b"") -> bytes:
    return b"GET " + target + H + headers + b"\r\n"


def line(request_line: bytes) -> bytes:
    return request_line + b"\r\nHost: localhost" + END


def host(value: bytes) -> bytes:
    return b"GET /logs HTTP/1.1\r\nHost:" + value + END


def post(
    headers: bytes, body: bytes = b"", method: bytes = b"POST", target: bytes = b"/logs"
) -> bytes:
    return method + b" " + target + H + headers + b"\r\n\r\n" + body


# fmt: off
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
PARTS = b"Content-Type: multipart/form-data"
CROSS_SITE = b"Sec-Fetch-Site: cross-site\r\n"
NAVIGATE = CROSS_SITE + b"Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: "

REQUESTS: list[tuple[bytes, int]] = [
    # --- the request line: RFC 9112, section 3
    (line(b"GET /logs"), 400),
    (line(b"GET"), 400),
    (line(b""), 400),
    (line(b" "), 400),
    (line(b"GET  /logs HTTP/1.1"), 400),
    (line(b"GET /logs  HTTP/1.1"), 400),
    (line(b" GET /logs HTTP/1.1"), 400),
    (line(b"GET /logs HTTP/1.1 "), 400),
    (line(b"GET\t/logs\tHTTP/1.1"), 400),
    (line(b"GET /logs HTTP/1.1 x"), 400),
    (line(b"GET /a b HTTP/1.1"), 400),
    (line(b"GET /logs HTTP/0.9"), 400),
    (line(b"GET /logs HTTP/1.2"), 200),
    (line(b"GET /logs HTTP/2.0"), 400),
    (line(b"GET /logs HTTP/1"), 400),
    (line(b"GET /logs HTTP/11"), 400),
    (line(b"GET /logs HTTP/1.10"), 400),
    (line(b"GET /logs http/1.1"), 400),
    (line(b"GET /logs HTTPS/1.1"), 400),
    (line(b"GET /logs FTP/1.1"), 400),
    (line(b"GET /logs HTTP/-1.1"), 400),
    (line(b"GET /logs HTTP/1.1\x00"), 400),
    (line(b"G\x00T /logs HTTP/1.1"), 400),
    (line(b"\xff\xfe /logs HTTP/1.1"), 400),
    (line(b"get /logs HTTP/1.1"), 405),
    (line(b"FOO /logs HTTP/1.1"), 405),
    (line(b"TRACE /logs HTTP/1.1"), 405),
    (line(b"CONNECT localhost:80 HTTP/1.1"), 405),
    (line(b"PUT /logs HTTP/1.1"), 405),
    (line(b"DELETE /logs HTTP/1.1"), 405),
    (line(b"PATCH /logs HTTP/1.1"), 405),
    (line(b"POST /logs HTTP/1.1"), 405),
    (line(b"PROPFIND / HTTP/1.1"), 405),
    (line(b"G(T /logs HTTP/1.1"), 400),
    (line(b"A" * 5000 + b" /logs HTTP/1.1"), 405),
    (line(b"GET * HTTP/1.1"), 404),
    (line(b"OPTIONS * HTTP/1.1"), 404),
    (line(b"GET logs HTTP/1.1"), 404),
    (line(b"GET ?x HTTP/1.1"), 301),
    (line(b"GET #x HTTP/1.1"), 404),
    (line(b"GET http://localhost/logs HTTP/1.1"), 200),
    (line(b"GET http://evil.example/logs HTTP/1.1"), 403),
    (line(b"GET //evil.example/logs HTTP/1.1"), 404),
    (line(b"GET javascript:alert(1) HTTP/1.1"), 404),
    (line(b"GET /logs\x00 HTTP/1.1"), 400),
    (line(b"GET /logs\x7f HTTP/1.1"), 400),
    (line(b"GET /logs\xff HTTP/1.1"), 404),
    (line(b"GET /" + b"a" * 30_000 + b" HTTP/1.1"), 404),
    (b"GET /logs HTTP/1.1\nHost: localhost\n\n", 200),  # RFC 9112, section 2.2: LF will do
    (b"GET /logs HTTP/1.1\rHost: localhost\r\r", SILENT),
    (b"\r\n\r\nGET /logs" + H + b"\r\n", 400),
    (b"\r\nGET /logs" + H + b"\r\n", 200),
    # --- what is no HTTP at all
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32) + END, 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), SILENT),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", 400),
    (b"EHLO evil.example\r\n\r\n", 400),
    (b"*1\r\n$4\r\nPING\r\n\r\n", 400),
    (b"<policy-file-request/>\x00\r\n\r\n", 400),
    (b"() { :; }; /bin/id\r\n\r\n", 400),
    (bytes(2000) + END, 400),
    (bytes(range(256)) + END, 400),
    (b"\xff" * 1000 + END, 400),
    (b"\n" * 1000, 400),
    (b"\r\n" * 10, 400),
    (b"RTSP/1.0 200 OK\r\n\r\n", 400),
    (b"HTTP/1.1 200 OK\r\n\r\n", 400),
    # --- header fields: RFC 9110, section 5
    (get(b"/logs", b"no colon\r\n"), 400),
    (get(b"/logs", b": no name\r\n"), 400),
    (get(b"/logs", b"X : space before the colon\r\n"), 400),
    (get(b"/logs", b"X\t: tab\r\n"), 400),
    (get(b"/logs", b"X Y: 1\r\n"), 400),
    (get(b"/logs", b"X(Y): 1\r\n"), 400),
    (get(b"/logs", b"X\x00: 1\r\n"), 400),
    (get(b"/logs", b"\xff: 1\r\n"), 400),
    (get(b"/logs", b"X: a\x00b\r\n"), 400),
    (get(b"/logs", b"X: a\x01b\r\n"), 400),
    (get(b"/logs", b"X: a\x1bb\r\n"), 400),
    (get(b"/logs", b"X: a\x7fb\r\n"), 400),
    (get(b"/logs", b"X: a\rb\r\n"), 400),
    (get(b"/logs", b"X: a\xffb\r\n"), 200),
    (get(b"/logs", b"X: a\tb\r\n"), 200),
    (get(b"/logs", b"X:\r\n"), 200),
    (get(b"/logs", b"X: 1\r\n folded\r\n"), 400),
    (b"GET /logs HTTP/1.1\r\n folded: 1\r\nHost: localhost" + END, 400),
    (get(b"/logs", b"X: 1\r\n" * 2000), 200),
    (get(b"/logs", b"".join(b"X-%d: 1\r\n" % n for n in range(2000))), 200),
    (get(b"/logs", b"X: " + b"a" * 30_000 + b"\r\n"), 200),
    (get(b"/logs", b"X" * 30_000 + b": 1\r\n"), 200),
    (get(b"/logs", b"X: " + b"a" * 33_000 + b"\r\n"), CLOSED),
    (get(b"/logs", b"X: 1\r\n" * 6000), CLOSED),
    (get(b"/logs", b"X: " + b"a" * 1_000_000), CLOSED),
    (b"a" * 1_000_000, CLOSED),
    (b"GET /" + b"a" * 100_000 + H + b"\r\n", CLOSED),
    (get(b"/logs", b"Connection: close, x, \xe9\r\n"), 200),
    (get(b"/logs", b"Upgrade: websocket\r\nConnection: Upgrade\r\n"), 200),
    (get(b"/logs", b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"), 200),
    (get(b"/logs", b"Expect: nonsense\r\n"), 200),
    (get(b"/logs", b"Cookie: " + b"a=b; " * 5000 + b"\r\n"), 200),
    (get(b"/logs", b"Cookie: =;;;==\"\\\r\n"), 200),
    (get(b"/logs", b"Cookie: riacho-8000=2|1:0|10:9999999999|1:a|1:b|c\r\n"), 200),
    (get(b"/logs", b"Authorization: Bearer\r\n"), 200),
    (get(b"/logs", b"Authorization: Basic !!!\r\n"), 200),
    (get(b"/logs", b"X-Forwarded-For: 1.2.3.4\r\n"), 200),
    (get(b"/logs", b"X-Forwarded-For: ,,,\xff'; drop\r\n"), 200),
    (get(b"/logs", b"X-Http-Method-Override: DELETE\r\n"), 200),
    (get(b"/logs", b"X-Original-URL: /healthz\r\n"), 200),
    (get(b"/logs", b"Accept-Encoding: gzip;q=nan, ,;;\r\n"), 200),
    (get(b"/logs", b"If-None-Match: *\r\n"), 304),
    (get(b"/index.html", b"If-Modified-Since: nonsense\r\n"), 200),
    (get(b"/index.html", b"If-Modified-Since: Mon, 32 Foo 99999 99:99:99 GMT\r\n"), 200),
    (get(b"/index.html", b"If-None-Match: \"" + b"a" * 20_000 + b"\r\n"), 200),
    (get(b"/index.html", b"Range: bytes=0-0,1-1,2-2\r\n"), 200),
    (get(b"/index.html", b"Range: bytes=" + b"9" * 5000 + b"-\r\n"), 200),
    (get(b"/index.html", b"Range: bytes=-" + b"9" * 5000 + b"\r\n"), 200),
    (get(b"/index.html", b"Range: bytes=5-1\r\n"), 416),
    (get(b"/logs/app.log", b"Range: bytes=99999999999999999999-\r\n"), 416),
    (get(b"/logs/app.log", b"Range: bytes=" + b"0-1," * 5000 + b"\r\n"), 200),
    (get(b"/logs/app.log", b"Range: bytes=\xb2-\r\n"), 200),
    # --- Host: RFC 9112, section 3.2
    (b"GET /logs HTTP/1.1" + END, 400),
    (b"GET /logs HTTP/1.0" + END, 200),
    (b"GET /logs HTTP/1.1\r\nHost: localhost\r\nHost: localhost" + END, 400),
    (b"GET /logs HTTP/1.1\r\nHost: localhost\r\nHost: evil.example" + END, 400),
    (host(b""), 403),
    (host(b" localhost:8000"), 200),
    (host(b" LOCALHOST"), 200),
    (host(b" localhost."), 200),
    (host(b" a.localhost"), 200),
    (host(b" 127.0.0.1"), 200),
    (host(b" 127.9.9.9:1"), 200),
    (host(b" 10.0.0.1"), 200),
    (host(b" [::1]:8000"), 200),
    (host(b" [fe80::1%25eth0]"), 200),
    (host(b" evil"), 403),
    (host(b" evil.example"), 403),
    (host(b" evil.example:8000"), 403),
    (host(b" localhost.evil.example"), 403),
    (host(b" 127.0.0.1.nip.io"), 403),
    (host(b" evil.example\\@localhost"), 400),
    (host(b" user@localhost"), 400),
    (host(b" localhost@evil.example"), 400),
    (host(b" localhost/"), 400),
    (host(b" localhost, evil.example"), 400),
    (host(b" localhost evil.example"), 400),
    (host(b" [::1"), 403),
    (host(b" ::1]"), 403),
    (host(b" 2130706433"), 403),
    (host(b" 0x7f000001"), 403),
    (host(b" 127.1"), 403),
    (host(b" localhost:99999999"), 200),
    (host(b" localhost:x"), 200),
    (host(b" \xe9vil"), 400),
    (host(b" *"), 403),
    (host(b" null"), 403),
    (host(b" " + b"a." * 5000), 403),
    # --- pages of other sites: Fetch, section 3; Fetch Metadata Request Headers, section 2
    (get(b"/logs", b"Origin: https://evil.example\r\n"), 403),
    (get(b"/logs", b"Origin: null\r\n"), 403),
    (get(b"/logs", b"Origin:\r\n"), 403),
    (get(b"/logs", b"Origin: http://[\r\n"), 403),
    (get(b"/logs", b"Origin: http://localhost.evil.example\r\n"), 403),
    (get(b"/logs", b"Origin: http://localhost@evil.example\r\n"), 403),
    (get(b"/logs", b"Origin: http://localhost, http://evil.example\r\n"), 403),
    (get(b"/logs", b"Origin: http://localhost\r\n"), 200),
    (get(b"/logs", b"Origin: *\r\n"), 403),
    (get(b"/logs", b"Sec-Fetch-Site: cross-site\r\n"), 403),
    (get(b"/logs", b"Sec-Fetch-Site: same-site\r\n"), 403),
    (get(b"/logs", b"Sec-Fetch-Site: nonsense\r\n"), 403),
    (get(b"/logs", b"Sec-Fetch-Site: none, cross-site\r\n"), 403),
    (get(b"/logs", NAVIGATE + b"iframe\r\n"), 403),
    (get(b"/logs", NAVIGATE + b"document\r\n"), 200),
    (get(b"/logs", CROSS_SITE + b"Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n"), 403),
    (post(b"Origin: https://evil.example", method=b"OPTIONS"), 403),
    # --- bodies: RFC 9112, section 6
    (post(b"Content-Length: 3", b"abc"), 405),
    (post(b"Content-Length: 3", b"abc", b"GET"), 200),
    (post(b"Content-Length: 0", b"", b"GET"), 200),
    (post(b"Content-Length: 1024", b"a" * 1024, b"GET"), 200),
    (post(b"Content-Length: 1025", b"a" * 1025, b"GET"), 400),
    (post(b"Content-Length: 99999999999999999999", b"a", b"GET"), 400),
    (post(b"Content-Length: " + b"9" * 5000, b"a", b"GET"), 400),
    (post(b"Content-Length: -1", b"a", b"GET"), 400),
    (post(b"Content-Length: +3", b"abc", b"GET"), 400),
    (post(b"Content-Length: 0x3", b"abc", b"GET"), 400),
    (post(b"Content-Length: 3.0", b"abc", b"GET"), 400),
    (post(b"Content-Length: 3 3", b"abc", b"GET"), 400),
    (post(b"Content-Length:", b"abc", b"GET"), 400),
    (post(b"Content-Length: \xb3", b"abc", b"GET"), 400),
    (post(b"Content-Length: 3\r\nContent-Length: 3", b"abc", b"GET"), 200),
    (post(b"Content-Length: 3\r\nContent-Length: 4", b"abc", b"GET"), 400),
    (post(b"Content-Length: 3\r\nTransfer-Encoding: chunked", b"0\r\n\r\n", b"GET"), 400),
    (post(b"Transfer-Encoding: chunked", b"0\r\n\r\n", b"GET"), 200),
    (post(b"Transfer-Encoding: chunked", b"3\r\nabc\r\n0\r\n\r\n", b"GET"), 200),
    (post(b"Transfer-Encoding: chunked", b"3;ext=1\r\nabc\r\n0\r\n\r\n", b"GET"), 400),
    (post(b"Transfer-Encoding: chunked", b"-3\r\nabc\r\n0\r\n\r\n", b"GET"), 400),
    (post(b"Transfer-Encoding: chunked", b"0x3\r\nabc\r\n0\r\n\r\n", b"GET"), 400),
    (post(b"Transfer-Encoding: chunked", b"zz\r\nabc\r\n0\r\n\r\n", b"GET"), 400),
    (post(b"Transfer-Encoding: chunked", b"3\r\nabcd\r\n0\r\n\r\n", b"GET"), 400),
    (post(b"Transfer-Encoding: chunked", b"0\r\nab", b"GET"), 400),
    (post(b"Transfer-Encoding: chunked", b"ffffffffffff\r\nabc", b"GET"), 400),
    (post(b"Transfer-Encoding: chunked", b"401\r\n" + b"a" * 1025, b"GET"), 400),
    (post(b"Transfer-Encoding: chunked", b"1" * 100, b"GET"), CLOSED),
    (post(b"Transfer-Encoding: chunked", b"1\r\na\r\n" * 1025, b"GET"), 400),
    (post(b"Transfer-Encoding: gzip", b"", b"GET"), 400),
    (post(b"Transfer-Encoding: identity", b"", b"GET"), 400),
    (post(b"Transfer-Encoding: chunked, gzip", b"", b"GET"), 400),
    (post(b"Transfer-Encoding: gzip, chunked", b"0\r\n\r\n", b"GET"), 400),
    (post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"0\r\n\r\n", b"GET"), 400),
    (post(b"Transfer-Encoding: xchunked", b"0\r\n\r\n", b"GET"), 400),
    (post(b"Transfer-Encoding: CHUNKED", b"0\r\n\r\n", b"GET"), 200),
    (post(PARTS + b"; boundary=x\r\nContent-Length: 5", b"--x--"), 405),
    (post(PARTS + b"\r\nContent-Length: 5", b"--x--"), 400),
    (post(PARTS + b"; boundary=" + b"x" * 9000 + b"\r\nContent-Length: 1", b"-"), 400),
    (post(FORM + b"Content-Length: 5", b"a=%ff"), 405),
    (post(FORM + b"Content-Length: 1000", b"&a=" * 333 + b"b"), 405),
    (post(b"Content-Encoding: gzip\r\nContent-Length: 2", b"\x1f\x8b", b"GET"), 200),
    (post(b"Expect: 100-continue\r\nContent-Length: 2000", b"", b"GET"), 100),
    # --- paths: none of them opens a file
    *((get(path), 404) for path in (
        b"/..", b"/../", b"/../pyproject.toml", b"/../../../../etc/passwd", b"/./index.html",
        b"/%2e%2e/pyproject.toml", b"/%2e%2e%2fpyproject.toml", b"/..%2fpyproject.toml",
        b"/..%5cpyproject.toml", b"/..\\pyproject.toml", b"/%252e%252e/pyproject.toml",
        b"/%c0%ae%c0%ae/pyproject.toml", b"/index.html/../../pyproject.toml", b"//etc/passwd",
        b"/etc/passwd", b"///etc/passwd", b"/file:///etc/passwd", b"/html/index.html",
        b"/index.html%00.png", b"/index.html/", b"/index.html%20", b"/index.html.", b"/INDEX.HTML",
        b"/index.html::$DATA", b"/index.html~", b"/.git/config", b"/.env", b"/static/", b"/html",
        b"/server/app.py", b"/app.py", b"/app.log", b"/app.log.1", b"/none.html", b"/a-b_c.css",
        b"/con.html", b"/%69ndex.html", b"/logs/", b"/logs/..", b"/logs/../app.log",
        b"/logs/./app.log", b"/logs//app.log", b"/logs/app.log/", b"/logs/app.log%00",
        b"/logs/app.log.1", b"/logs/%2fetc%2fpasswd", b"/logs/..%2fapp.log",
        b"/logs/../../etc/passwd",
        b"/logs/%2e%2e%2f%2e%2e%2fetc%2fpasswd", b"/logs//etc/passwd", b"/logs/server.err",
        b"/logs/\xff", b"/logs/%", b"/logs/%zz", b"/logs/APP.LOG", b"/logs/*", b"/stream-logs/",
        b"/stream-logs/app.log", b"/metrics/", b"/healthz/x", b"/%0d%0aSet-Cookie:a=b",
        b"/;/index.html", b"/~root", b"/cgi-bin/test", b"/${jndi:ldap://evil.example/}",
    )),
    (get(b"/logs/%ff"), 404),
    (get(b"/logs/%61pp.log"), 200),  # another way to write its name
    # --- queries
    (get(b"/stream-logs?backlog=" + b"9" * 5000), 400),
    (get(b"/stream-logs?backlog=-1"), 400),
    (get(b"/stream-logs?backlog=1_0"), 400),
    (get(b"/stream-logs?backlog=%00"), 400),
    (get(b"/stream-logs?backlog=%ff"), 400),
    (get(b"/stream-logs?from=../../etc/passwd"), 400),
    (get(b"/stream-logs?log=/etc/passwd"), 404),
    (get(b"/stream-logs?log="), 404),
    (get(b"/stream-logs?log=%00"), 404),
    (get(b"/stream-logs?log=%ff"), 400),
    (get(b"/stream-logs?log=" + b"9" * 20_000), 404),
    (get(b"/stream-logs?log=app.log&log=../app.log"), 404),
    (get(b"/stream-logs?log=*&format=text"), 400),
    (get(b"/stream-logs?log=" + b"*" * 5000), 200),
    (get(b"/stream-logs?" + b"log=%5Ba-" * 50), 200),
    (get(b"/stream-logs?log=*&last_event_id=" + b"A" * 5000), 200),
    (get(b"/stream-logs?format=xml"), 400),
    (get(b"/stream-logs?" + b"a=b&" * 5000), 400),
    (get(b"/stream-logs?" + b"&" * 20_000), 400),
    (get(b"/stream-logs?" + b"%" * 10_000), 200),
    (get(b"/stream-logs?last_event_id=%00"), 200),
    (get(b"/stream-logs?last_event_id=%0a%0adata:%20evil"), 200),
    (get(b"/stream-logs?last_event_id=" + b"9" * 20_000), 200),
    (get(b"/stream-logs?last_event_id=7fffffffffffffff-ffffffff-ffffffff"), 200),
    (get(b"/stream-logs", b"Last-Event-ID: \xff\xfe\r\n"), 200),
    (get(b"/stream-logs", b"Last-Event-ID: " + b"a" * 20_000 + b"\r\n"), 200),
    (get(b"/stream-logs", b"Last-Event-ID: 1\r\nLast-Event-ID: 2\r\n"), 200),
    (get(b"/stream-numbers?to=1e308"), 400),
    (get(b"/stream-numbers?from=-999999999999&to=999999999999"), 400),
    (get(b"/stream-numbers?interval=-0"), 200),
    (get(b"/stream-numbers?interval=1e999"), 400),
    (get(b"/stream-numbers?interval=nan"), 400),
    (get(b"/stream-numbers?to=" + "٣".encode()), 400),
    (get(b"/stream-numbers?to=%d9%a3"), 400),
    (get(b"/?token=" + b"a" * 20_000), 200),
    (get(b"/index.html?<script>alert(1)</script>"), 200),
    (b"HEAD /stream-logs?backlog=-1" + END, 400),
    (b"HEAD /stream-logs?from=%00" + END, 400),
    (b"HEAD /stream-logs?last_event_id=1&lastEventId=2" + END, 400),
    (b"HEAD /stream-numbers?to=" + b"9" * 5000 + END, 400),
    # --- pipelining: the first is answered, and the rest in order
    (get(b"/logs") * 100, 200),
    (get(b"/none") + get(b"/logs"), 404),
    (get(b"/stream-logs") + get(b"/stream-logs") * 50, 200),
    (get(b"/stream-logs") + b"a" * 200_000, 200),
    (get(b"/stream-numbers?interval=0") + b"GET", 200),
    (b"HEAD /stream-logs" + H + b"\r\n" + get(b"/logs"), 200),
    # --- requests that never end
    (b"", SILENT),
    (b"G", SILENT),
    (b"GET /logs", SILENT),
    (b"GET /logs HTTP/1.1\r\n", SILENT),
    (b"GET /logs" + H, SILENT),
    (b"GET /logs" + H + b"X: ", SILENT),
    (b"GET /logs" + H + b"X: 1\r\n\r", SILENT),
    (b"\r\n", SILENT),
    (b"\x00", SILENT),
    (b"GET /logs HTTP/1.1\r\n" + b"X: 1\r\n" * 1000, SILENT),
    (post(b"Content-Length: 10", b"abc"), SILENT),
    (post(b"Content-Length: 10", b"", b"GET"), SILENT),
    (post(b"Transfer-Encoding: chunked", b"3\r\nab", b"GET"), SILENT),
    (post(b"Transfer-Encoding: chunked", b"3", b"GET"), SILENT),
    (post(b"Transfer-Encoding: chunked", b"3\r\nabc\r\n", b"GET"), SILENT),
]
# fmt: on


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    path = tmp_path_factory.mktemp("hostile")
    (path / "app.log").write_text("one\n")
    with running(path, path / "app.log") as server:
        yield server


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), PATIENCE)


def status(connection: socket.socket) -> int:
    """The status of the response that has begun, CLOSED if there is none."""
    data = b""
    try:
        while len(data) < 12 and (more := connection.recv(4096)):
            data += more
    except ConnectionResetError:
        pass
    match = re.match(rb"HTTP/1\.1 (\d{3}) ", data)
    return int(match[1]) if match else CLOSED


def resident(server: Server) -> float:
    """The server's memory in MB."""
    return float(server.proc.memory_info().rss) / 2**20


def get_to_rest(server: Server, descriptors: int) -> int:
    """Wait until no more than so many are open; the server's memory then, in MB."""
    wait_until(lambda: server.proc.num_fds() <= descriptors, "descriptors at rest")
    return round(resident(server))


def test_each_request_gets_its_answer_and_leaves_nothing(server: Server) -> None:
    assert len(REQUESTS) == len(set(REQUESTS)) > 300
    server.tail()
    descriptors = server.proc.num_fds()
    memory = []
    for _ in range(3):
        wrong = []
        for request, expected in REQUESTS:
            if expected == SILENT:
                continue
            with connect(server) as connection:
                with suppress(BrokenPipeError, ConnectionResetError):
                    connection.sendall(request)
                if (got := status(connection)) != expected:
                    wrong.append((request[:200], expected, got))
        assert not wrong, wrong
        memory.append(get_to_rest(server, descriptors))
    assert memory[2] - memory[0] < 10
    with following(server) as client:
        assert client.wait_for(1) == ["one"]
    assert "Traceback" not in server.errors()


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Server]:
    """A server that speaks TLS."""
    command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem -subj /CN=a"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "app.log").write_text("one\n")
    options = ["--certfile", tmp_path / "c.pem", "--keyfile", tmp_path / "k.pem"]
    with running(tmp_path, *options, tmp_path / "app.log") as server:
        yield server


@pytest.mark.usefixtures("many_descriptors")
def test_slow_and_silent_connections_are_closed_while_clients_get_every_line(
    server: Server, guarded: Server
) -> None:
    """A slowloris of a thousand connections, each of which sends a byte now and then.

    And a few that never send a whole request, or never end a handshake.
    """
    lines = [f"line {number}" for number in range(100)]
    clients = [connect(server) for _ in range(100)]
    for client in clients:
        client.sendall(get(b"/stream-logs?backlog=0"))
        assert status(client) == 200
    silent = [(server, request) for request, expected in REQUESTS if expected == SILENT]
    silent += [(guarded, b""), (guarded, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")]
    slow = [(server, b"GET /stream-logs" + H + b"X: ")] * 1000
    poll = select.poll()
    held = {}
    for called, request in silent + slow:
        connection = connect(called)
        connection.sendall(request)
        held[connection.fileno()] = connection
        poll.register(connection, select.POLLIN)
    first_slow = len(silent)
    drip = list(held.values())[first_slow:]
    deadline = time.monotonic() + PATIENCE
    answered = []
    with (server.cwd / "app.log").open("a") as log:
        for line in lines:
            log.write(line + "\n")
            log.flush()
            for connection in drip[:: len(lines) // 10]:
                with suppress(OSError):
                    connection.send(b"a")
            for number, _ in poll.poll(50):
                answered += [held[number].recv(100)] if _has_data(held[number]) else []
                poll.unregister(number)
                held.pop(number).close()
    while held:
        assert time.monotonic() < deadline, f"{len(held)} connections are still open"
        for number, _ in poll.poll(1000):
            answered += [held[number].recv(100)] if _has_data(held[number]) else []
            poll.unregister(number)
            held.pop(number).close()
    assert answered == []
    with connect(guarded) as plain:
        plain.sendall(get(b"/logs"))
        assert status(plain) == CLOSED
    for client in clients:
        data = b""
        while f"data: {lines[-1]}\n\n".encode() not in data:
            data += client.recv(65536)
        assert re.findall(rb"\ndata: (.*)\n\n", data) == [line.encode() for line in lines]
        client.close()
    assert "Traceback" not in server.errors()


def _has_data(connection: socket.socket) -> bool:
    """Whether something has come, and not only the end."""
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except ConnectionResetError:
        return False


def test_whatever_is_sent_the_server_withstands_it(server: Server) -> None:
    """The first few of what `python -m tests.fuzz` tries for minutes."""
    fuzz(server, examples=600)


MOST_HELD = 0.4
"""Megabytes for a client that reads nothing, at the most, whatever the lines are."""


@pytest.mark.linux
@pytest.mark.parametrize("length", [1, 11, 100, 100_000])
def test_clients_that_never_read_cost_little_and_hold_up_nobody(
    tmp_path: Path, length: int
) -> None:
    """Three hundred, each at another place; a line has `length` bytes with its newline."""
    log, clients = tmp_path / "app.log", 300
    count = max(600, 3_000_000 // max(length, 2))
    log.write_bytes((b"x" * (length - 1) + b"\n") * count)
    with running(tmp_path, log) as server, following(server, "/stream-logs?backlog=0") as live:
        wait_until(live.opened.is_set, "it listens")
        before, stalled = resident(server), []
        for number in range(clients):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", server.port))
            client.sendall(get(b"/stream-logs?backlog=%d" % (count - number * count // 400)))
            stalled.append(client)
        for number in range(50):
            with log.open("a") as file:
                file.write(f"live {number}\n")
            live.wait_for(number + 1)
        poll = select.poll()
        for client in stalled:  # each has got as much as it can hold
            poll.register(client, select.POLLIN)
        wait_until(lambda: len(poll.poll(0)) == clients, "all are answered")
        assert (resident(server) - before) / clients < MOST_HELD
        for client in stalled:
            client.close()
