"""Who may read: by token, by host, by origin; and how many at once."""

import http.client
import re
from pathlib import Path
from typing import Any, cast

import pytest

from server.app import routes
from server.errors import StartError
from server.settings import Settings
from server.web.access import (
    Access,
    allow_origin_header,
    check_names,
    with_token,
)
from server.web.addresses import client_address, is_loopback
from tests.running import PATIENCE, Server, following, running

TOKEN = "correct-horse-battery-staple"

ROUTES = {
    "/": "page",
    "/index.html": "page",
    "/client_listen_logs.html": "page",
    "/riacho.js": "public",
    "/style.css": "public",
    "/logo.svg": "public",
    "/stream-logs": "data",
    "/stream-numbers": "data",
    "/slow-numbers": "data",
    "/logs": "data",
    "/logs/app.log": "data",
    "/logs/app.log/lines": "data",
    "/metrics": "data",
    "/healthz": "public",
    "/nothing/here": "nothing",
}
"""Every kind of route, and what it is."""


def test_the_table_of_routes_is_complete() -> None:
    for pattern, _, _ in routes(cast(Any, None)):
        assert [path for path in ROUTES if re.fullmatch(pattern, path)], pattern


# --- settings ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "is_so"),
    [
        ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True),
        ("0.0.0.0", False), ("::", False), ("", False), ("10.0.0.1", False), ("fe80::1%1", False),
        ("logs.example", False), ("localhost.example", False), ("127.1", False),
    ],
)  # fmt: skip
def test_loopback_is_where_only_this_machine_comes_from(host: str, is_so: bool) -> None:
    assert is_loopback(host) is is_so


def test_a_host_that_others_reach_gets_a_token() -> None:
    assert with_token(Settings(host="127.0.0.1")).token is None
    made = {with_token(Settings(host="0.0.0.0")).token for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(r"[\w-]{32}", token or "") for token in made)
    assert with_token(Settings(host="0.0.0.0", token=TOKEN)).token == TOKEN


def test_a_token_comes_from_the_first_line_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f" {TOKEN} \r\nmore\n")
    assert with_token(Settings(token_file=path)).token == TOKEN


@pytest.mark.parametrize("token", ["", " ", "two words", "tab\t", "ção", "line\n"])
def test_what_can_be_no_token_is_refused_and_not_shown(tmp_path: Path, token: str) -> None:
    with pytest.raises(StartError, match="--token has no token"):
        with_token(Settings(token=token))
    path = tmp_path / "token"
    path.write_text(token.strip() + "\n" if token != "two words" else token)
    if token.strip() in ("", "two words", "ção"):
        with pytest.raises(StartError, match=r"--token-file .* has no token") as error:
            with_token(Settings(token_file=path))
        assert not token.strip() or token not in str(error.value)


def test_a_token_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="none cannot be read"):
        with_token(Settings(token_file=tmp_path / "none"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(StartError, match="it is not text"):
        with_token(Settings(token_file=tmp_path / "binary"))
    with pytest.raises(StartError, match="choose one"):
        with_token(Settings(token=TOKEN, token_file=tmp_path / "binary"))


@pytest.mark.parametrize(
    ("settings", "is_right"),
    [
        (Settings(allow_origin=("https://a.example", "http://a:8080", "*", "null")), True),
        (Settings(allow_origin=("http://[::1]:8888", "vscode-webview://abc")), True),
        (Settings(allow_origin=("https://a.example/",)), False),
        (Settings(allow_origin=("https://A.example",)), False),
        (Settings(allow_origin=("a.example",)), False),
        (Settings(allow_origin=("https://a.example; script-src *",)), False),
        (Settings(allow_origin=("https://*.a.example",)), False),
        (Settings(allow_host=("logs.example", "riacho", "*", "A.example")), True),
        (Settings(allow_host=("https://a.example",)), False),
        (Settings(allow_host=("a.example:8000",)), False),
        (Settings(allow_host=("",)), False),
        (Settings(trusted_proxy=("127.0.0.1", "::1")), True),
        (Settings(trusted_proxy=("proxy.example",)), False),
        (Settings(trusted_proxy=("10.0.0.0/8",)), False),
    ],
)
def test_a_name_that_no_request_can_match_is_refused(settings: Settings, is_right: bool) -> None:
    if is_right:
        check_names(settings)
    else:
        with pytest.raises(StartError, match=r"is no .*: give"):
            check_names(settings)


# --- the access --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "is_known"),
    [
        ("localhost", True), ("localhost:8000", True), ("LocalHost.", True), ("a.localhost", True),
        ("127.0.0.1", True), ("192.168.1.5:8000", True), ("[::1]", True), ("[fe80::1]:80", True),
        ("logs.example", True), ("LOGS.example:443", True), ("box", True),
        ("", False), ("evil", False), ("evil.example", False), ("logs.example.evil.example", False),
        ("xlogs.example", False), ("sub.logs.example", False), ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False), ("evil.example:localhost", False), ("[::1", False),
        ("2130706433", False), ("127.1", False), (" ", False), ("*", False), ("//", False),
    ],
)  # fmt: skip
def test_only_names_that_others_cannot_have_are_known(host: str, is_known: bool) -> None:
    access = Access(Settings(host="box", allow_host=("logs.example",)))
    assert access.knows_host(host) is is_known
    assert Access(Settings(allow_host=("*",))).knows_host("evil.example")
    assert not Access(Settings()).knows_host("box")


NAVIGATE = {"Sec-Fetch-Mode": "navigate"}


@pytest.mark.parametrize(
    ("headers", "is_admitted"),
    [
        ({}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://a.example"}, True),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://b.example"}, False),
        ({"Origin": "https://a.example"}, True),
        ({"Origin": "https://a.example.evil.example"}, False),
        ({"Origin": "http://a.example"}, False),
        ({"Origin": "https://a.example:444"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": ""}, False),
        ({"Origin": "http://["}, False),
        ({"Origin": "http://localhost:8000"}, True),  # our own
        ({"Origin": "http://localhost:8001"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document", **NAVIGATE}, True),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "iframe", **NAVIGATE}, True),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "object", **NAVIGATE}, False),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}, False),
    ],
)
def test_pages_of_other_origins_are_admitted_only_where_they_are_named(
    headers: dict[str, str], is_admitted: bool
) -> None:
    headers = {"Host": "localhost:8000", **headers}
    access = Access(Settings(logs=("app.log",), allow_origin=("https://a.example",)))
    assert access.admits_page(headers) is is_admitted
    assert Access(Settings()).admits_page(headers)  # the demo has no secrets
    if headers.get("Sec-Fetch-Dest") == "iframe":
        assert not Access(Settings(logs=("app.log",))).admits_page(headers)


@pytest.mark.parametrize("text", ["", "x", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "ção", "\x00"])
def test_only_the_token_is_the_token(text: str) -> None:
    access = Access(Settings(token=TOKEN))
    assert access.is_token(TOKEN)
    assert not access.is_token(text)
    assert not Access(Settings()).is_token(text)


@pytest.mark.parametrize(
    ("origin", "allowed", "header"),
    [
        (None, (), None),
        ("https://a.example", (), None),
        ("null", (), None),
        ("null", ("null",), "null"),
        ("https://a.example", ("https://a.example", "https://b.example"), "https://a.example"),
        ("https://a.example.evil", ("https://a.example",), None),
        ("http://a.example", ("https://a.example",), None),
        (None, ("https://a.example",), None),
        ("https://a.example", ("*",), "*"),
        (None, ("*",), "*"),
    ],
)
def test_only_allowed_origins_are_named(
    origin: str | None, allowed: tuple[str, ...], header: str | None
) -> None:
    assert allow_origin_header(origin, allowed) == header


@pytest.mark.parametrize(
    ("address", "forwarded_for", "client"),
    [
        ("9.9.9.9", "", "9.9.9.9"),
        ("9.9.9.9", "1.1.1.1", "9.9.9.9"),  # anyone can say that
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "1.1.1.1", "1.1.1.1"),
        ("10.0.0.1", "6.6.6.6, 1.1.1.1", "1.1.1.1"),  # the proxy has added the last
        ("10.0.0.1", "1.1.1.1, 10.0.0.2", "1.1.1.1"),
        ("10.0.0.1", "evil, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", ",,,", "10.0.0.1"),
        ("10.0.0.1", "1.1.1.1:5678", "1.1.1.1"),  # some proxies name the port, too
        ("10.0.0.1", "1.1.1.1:5678, 10.0.0.2:80", "1.1.1.1"),
        ("10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
        ("10.0.0.1", "[2001:db8::1]", "2001:db8::1"),
        ("10.0.0.1", "nonsense:80", "10.0.0.1"),
    ],
)
def test_a_client_s_address_is_believed_only_of_a_trusted_proxy(
    address: str, forwarded_for: str, client: str
) -> None:
    assert client_address(address, forwarded_for, ("10.0.0.1", "10.0.0.2")) == client


# --- a real server ----------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("security")
    (path / "app.log").write_text("one\ntwo\n")
    env = {"RIACHO_TOKEN": TOKEN}
    origins = ["--allow-origin", "https://a.example", "--allow-origin", "https://b.example"]
    with running(path, "--host", "0.0.0.0", *origins, path / "app.log", env=env) as server:
        yield server


@pytest.mark.parametrize(("path", "kind"), ROUTES.items())
def test_a_token_is_asked_for_on_every_route(server: Server, path: str, kind: str) -> None:
    known = 404 if kind == "nothing" else 200
    unknown = 200 if kind == "public" else 401
    assert server.status(path) == unknown
    assert server.status(f"{path}?token=wrong") == unknown
    assert server.status(path, Authorization="Bearer wrong") == unknown
    assert server.status(path, Authorization=f"Basic {TOKEN}") == unknown
    assert server.status(path, Authorization=f"Bearer {TOKEN}") == known
    assert server.status(path, Authorization=f"bearer  {TOKEN}") == known
    assert server.status(f"{path}?token={TOKEN}") == known
    assert server.status(f"{path}?%74oken={TOKEN}") == known
    cookie = cookie_of(server)
    assert server.status(path, Cookie=cookie) == known
    assert server.status(path, Cookie=cookie[:-1] + ("0" if cookie[-1] != "0" else "1")) == unknown
    assert server.status(path, Cookie=cookie.replace("2|1:0|", "1|1:0|")) == unknown
    assert server.status(path, Cookie=re.sub(r"riacho-\d+", "riacho-1", cookie)) == unknown
    assert server.status(path, Cookie=f"riacho-{server.port}={TOKEN}") == unknown


def cookie_of(server: Server) -> str:
    _, headers, _ = server.get(f"/?token={TOKEN}", Accept="text/html")
    return str(headers["Set-Cookie"]).partition(";")[0]


@pytest.mark.parametrize("path", ROUTES)
def test_host_and_origin_are_checked_on_every_route(server: Server, path: str) -> None:
    known = {"Authorization": f"Bearer {TOKEN}"}
    assert server.status(path, Host="evil.example", **known) == 403
    assert server.status(path, Host="evil", **known) == 403
    assert server.status(path, Origin="https://evil.example", **known) == 403
    assert server.status(path, Origin="null", **known) == 403
    assert server.status(path, **{"Sec-Fetch-Site": "cross-site"}, **known) == 403
    assert server.status(path, Origin="https://a.example", **known) in (200, 404)


@pytest.mark.parametrize("path", ROUTES)
def test_headers_that_keep_other_pages_out_are_on_every_answer(server: Server, path: str) -> None:
    for known in ({}, {"Authorization": f"Bearer {TOKEN}"}):
        headers = server.headers(path, **known)
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors" in policy
        assert headers["Access-Control-Allow-Origin"] is None
        assert headers["Server"] is None


@pytest.mark.parametrize(("path", "kind"), ROUTES.items())
def test_only_pages_may_be_framed_by_pages_of_named_origins(
    server: Server, path: str, kind: str
) -> None:
    """And the page of slow numbers by the server's own alone, and nothing else that is a page."""
    policy = server.headers(path, Authorization=f"Bearer {TOKEN}")["Content-Security-Policy"]
    framing = policy.partition("frame-ancestors ")[2]
    if kind == "page":
        assert framing == "'self' https://a.example https://b.example"
    elif not path.endswith((".js", ".css", ".svg")):
        assert framing == ("'self'" if path == "/slow-numbers" else "'none'")


@pytest.mark.parametrize("path", ROUTES)
def test_pages_of_named_origins_may_read_with_credentials(server: Server, path: str) -> None:
    for origin in ("https://a.example", "https://b.example"):
        headers = server.headers(path, Origin=origin, Authorization=f"Bearer {TOKEN}")
        assert headers["Access-Control-Allow-Origin"] == origin
        assert headers["Access-Control-Allow-Credentials"] == "true"
        assert headers["Vary"] == "Origin"
        assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    headers = server.headers(path, Origin="https://c.example", Authorization=f"Bearer {TOKEN}")
    assert headers["Access-Control-Allow-Origin"] is None
    assert headers["Access-Control-Allow-Credentials"] is None


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("origin", [None, "null", "https://evil.example"])
def test_a_wildcard_never_goes_with_credentials(demo: Server, path: str, origin: str) -> None:
    headers = demo.headers(path, **({"Origin": origin} if origin else {}))
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Access-Control-Allow-Credentials"] is None


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with running(tmp_path_factory.mktemp("demo")) as server:
        yield server


def test_null_is_allowed_only_when_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("one\n")
    with running(tmp_path, "--allow-origin", "null", tmp_path / "app.log") as server:
        headers = server.headers("/stream-logs", Origin="null")
        assert headers["Access-Control-Allow-Origin"] == "null"
        assert headers["Access-Control-Allow-Credentials"] is None
        assert server.status("/logs", Origin="https://evil.example") == 403


def test_a_made_token_is_printed_within_the_addresses(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("one\n")
    with running(tmp_path, "--host", "0.0.0.0", tmp_path / "app.log") as server:
        token = server.query.removeprefix("?token=")
        assert len(token) == 32
        urls = re.findall(r"http://\S+", "".join(server.output))
        assert len(urls) == 4
        assert all(url.endswith(f"?token={token}") for url in urls)
        assert server.status("/logs") == 401
        assert server.status(f"/logs?token={token}") == 200
        assert token not in server.errors()
        with following(server, f"/stream-logs?token={token}") as client:
            assert client.wait_for(1) == ["one"]


def test_a_cookie_is_void_when_the_token_is_another(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("one\n")
    with running(tmp_path, tmp_path / "app.log", env={"RIACHO_TOKEN": TOKEN}) as server:
        cookie = cookie_of(server)
        assert server.status("/logs", Cookie=cookie) == 200
        server.end()
        server.start()  # with the same token
        assert server.status("/logs", Cookie=cookie) == 200
        server.end()
        server.env["RIACHO_TOKEN"] = f"not-{TOKEN}"
        server.start()
        assert server.status("/logs", Cookie=cookie) == 401
        assert TOKEN not in server.errors()
        assert cookie.partition("=")[2] not in server.errors()


def test_who_is_refused_learns_what_is_missing(server: Server) -> None:
    for path, word in (("/logs", "needed"), ("/logs?token=wrong", "wrong")):
        code, headers, body = server.get(path)
        assert (code, headers["WWW-Authenticate"]) == (401, 'Bearer realm="riacho"')
        assert word in body.decode()
        assert "?token=TOKEN" in body.decode()
    code, _, body = server.get("/logs", Host="evil.example")
    assert (code, "--allow-host" in body.decode()) == (403, True)
    code, _, body = server.get("/logs", Origin="https://evil.example")
    assert (code, "--allow-origin" in body.decode()) == (403, True)


@pytest.mark.parametrize(
    ("options", "proto", "is_secure"),
    [
        (["--trusted-proxy", "127.0.0.1"], "https", True),
        (["--trusted-proxy", "127.0.0.1"], "http", False),
        (["--trusted-proxy", "10.0.0.1"], "https", False),
        ([], "https", False),
    ],
)
def test_a_cookie_is_secure_where_a_trusted_proxy_speaks_tls(
    tmp_path: Path, options: list[str], proto: str, is_secure: bool
) -> None:
    (tmp_path / "app.log").write_text("one\n")
    env = {"RIACHO_TOKEN": TOKEN}
    with running(tmp_path, *options, tmp_path / "app.log", env=env) as server:
        asked = {"Accept": "text/html", "X-Forwarded-Proto": proto}
        cookie = server.headers(f"/?token={TOKEN}", **asked)["Set-Cookie"]
        assert ("Secure" in cookie) is is_secure
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie


@pytest.mark.parametrize("path", ROUTES)
def test_a_preflight_request_needs_no_token_and_the_right_origin(server: Server, path: str) -> None:
    for origin, code in (("https://a.example", 204), ("https://c.example", 403), ("null", 403)):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        headers = {"Origin": origin, "Access-Control-Request-Headers": "authorization"}
        connection.request("OPTIONS", path, headers=headers)
        response = connection.getresponse()
        connection.close()
        if ROUTES[path] == "nothing":
            assert response.status in (403, 404)
        else:
            assert response.status == code
        allowed = response.headers["Access-Control-Allow-Headers"] or ""
        assert ("Authorization" in allowed) is (response.status == 204)
        named = response.headers["Access-Control-Allow-Origin"]
        assert named == (origin if origin == "https://a.example" else None)


def test_a_cookie_is_given_for_the_token_alone_and_does_not_renew_itself(server: Server) -> None:
    page = {"Accept": "text/html"}
    cookie = server.headers(f"/?token={TOKEN}", **page)["Set-Cookie"].partition(";")[0]
    for path in ("/?token=wrong", "/", "/index.html"):
        _, headers, _ = server.get(path, Cookie=cookie, **page)
        assert headers["Set-Cookie"] is None, path
    _, headers, _ = server.get("/", Cookie=cookie, Authorization="Bearer wrong", **page)
    assert headers["Set-Cookie"] is None


def test_one_request_is_one_guess(server: Server) -> None:
    guesses = "&".join(f"token=guess{number}" for number in range(100))
    status, _, body = server.get(f"/logs?{guesses}&token={TOKEN}")
    assert (status, body) == (400, b"the request has several tokens: send one\n")
    assert server.status(f"/logs?token={TOKEN}", Authorization="Bearer wrong") == 400
    assert server.status(f"/logs?token={TOKEN}&token={TOKEN}") == 200
