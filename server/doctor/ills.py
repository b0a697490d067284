"""All that can be wrong between a client and its streams, and the remedies."""

from typing import NamedTuple


class Ill(NamedTuple):
    """Something that may be wrong, and what to do about it."""

    what: str
    remedy: str
    settings: tuple[str, ...] = ()
    """What to write, or to take out, in the configuration of this proxy or that."""


ILLS = {
    "unreachable": Ill(
        "nobody answers there",
        "Check name and port, and that proxy and server run; python -m server prints its address, "
        "which is of this machine only without --host. Who hangs up at once may want https://.",
    ),
    "tls": Ill(
        "TLS fails",
        "Check the name and the date of the certificate, and that its chain is sent; for an "
        "authority of your own there is --cacert. Write https:// where TLS is spoken, and only "
        "there.",
    ),
    "redirect": Ill(
        "the stream is redirected",
        "Give the URL that it leads to. If that is a login: let the proxy pass streams on without "
        "one (Riacho has a token), or give its cookie with --header.",
    ),
    "token": Ill(
        "the token is refused",
        "Give the server's token with --token or RIACHO_TOKEN. If it is right, the proxy does not "
        "pass on the header Authorization, or asks for a password of its own.",
        (
            "nginx: proxy_set_header Authorization $http_authorization; and no auth_basic",
            "HAProxy: no http-request del-header Authorization, no http-request auth",
            "Caddy: no header_up -Authorization, no basicauth",
            "Apache: no AuthType",
        ),
    ),
    "forbidden": Ill(
        "the request is forbidden",
        "If the server does not know the name: start it with --allow-host and this name. Else "
        "see the proxy's rules of access.",
    ),
    "not-found": Ill(
        "there is no stream at this path",
        "Give the URL of the start page. Behind a proxy, the server's --prefix is the path that "
        "the proxy passes on, whole.",
        (
            "nginx: proxy_pass http://riacho;  (no path, no slash behind the name)",
            "HAProxy: no http-request replace-path",
            "Caddy: handle instead of handle_path, no uri strip_prefix",
            "Apache: ProxyPass /riacho/ http://127.0.0.1:8001/riacho/",
        ),
    ),
    "away": Ill(
        "the proxy does not reach the server",
        "Start the server, or correct its address in the proxy.",
        (
            "nginx: upstream riacho { server 127.0.0.1:8001; }",
            "HAProxy: server first 127.0.0.1:8001",
            "Caddy: reverse_proxy 127.0.0.1:8001",
            "Apache: ProxyPass / http://127.0.0.1:8001/",
        ),
    ),
    "status": Ill(
        "a stream is not answered like this",
        "See what stands at this URL, and in the logs of proxy and server.",
    ),
    "full": Ill(
        "there are too many clients, or too many wrong tokens came from this address",
        "After wrong tokens, wait for half a minute. Else raise --max-clients or "
        "--max-clients-per-address. Name the proxy with --trusted-proxy, or all its clients count "
        "as one.",
    ),
    "content-type": Ill(
        "the answer is no event stream",
        "If it is a page of somebody else's, such as a login, correct the URL or let the proxy "
        "pass streams on. Else it changes the header, and EventSource takes nothing but "
        "text/event-stream.",
        (
            "nginx: no proxy_hide_header Content-Type",
            "HAProxy: no http-response set-header Content-Type",
            "Caddy: no header_down Content-Type",
        ),
    ),
    "cache-control": Ill(
        "the header Cache-Control was changed",
        "Without no-cache and no-transform, others on the way may store and compress the stream.",
        (
            "nginx: no expires, no proxy_hide_header Cache-Control",
            "HAProxy: no http-response set-header Cache-Control",
            "Caddy: no header Cache-Control",
            "Apache: no ExpiresActive",
        ),
    ),
    "http-1.0": Ill(
        "the answer is HTTP/1.0",
        "Let the proxy speak 1.1 or 2 to clients: in 1.0, a stream that is cut looks as if it had "
        "come to its end.",
        ("Apache: no SetEnv force-response-1.0",),
    ),
    "compression": Ill(
        "the stream is compressed",
        "What compresses holds back, or may at any time: it does not heed no-transform.",
        (
            "nginx: gzip off;",
            "HAProxy: no text/event-stream in compression type",
            "Caddy: @pages not path */stream-*  and  encode @pages gzip",
            "Apache: SetEnv no-gzip 1",
        ),
    ),
    "buffering": Ill(
        "events are held back",
        "Let each event pass at once.",
        (
            "nginx: proxy_buffering off;  (it heeds X-Accel-Buffering, and takes it away)",
            "HAProxy: option http-no-delay, no http-response wait-for-body",
            "Caddy: no buffer_responses, no response_buffers",
            "Apache: ProxyPass / http://127.0.0.1:8001/ flushpackets=on",
        ),
    ),
    "stored": Ill(
        "the stream comes from a cache",
        "Do not store streams.",
        (
            "nginx: proxy_cache off;",
            "HAProxy: no http-request cache-use",
            "Apache: CacheDisable on",
        ),
    ),
    "cut": Ill(
        "the stream is cut while events come",
        "Something limits the time or the size of an answer, or the server was stopped meanwhile. "
        "Look for such limits in load balancers and proxies.",
        ("Caddy: no write_timeout in servers { timeouts }",),
    ),
    "lost": Ill(
        "events are missing, doubled or changed",
        "Bytes have to pass unchanged: look for a filter that writes into answers.",
        ("nginx: no sub_filter", "Caddy: no replace", "Apache: no Substitute"),
    ),
    "too-much": Ill(
        "more comes than was asked for",
        "See what stands at this URL. If it is Riacho, look for a filter that writes into answers.",
    ),
    "time-out": Ill(
        "a silent stream is cut",
        "Make the time-out longer than the server's --keep-alive, or that shorter.",
        (
            "nginx: proxy_read_timeout 60s;  and  send_timeout 60s;",
            "HAProxy: timeout server 60s  and  timeout client 60s",
            "Caddy: no read_timeout, no write_timeout",
            "Apache: ProxyTimeout 60",
        ),
    ),
    "last-event-id": Ill(
        "the header Last-Event-ID does not arrive",
        "Let it pass, or clients that come back lose lines.",
        (
            'nginx: no proxy_set_header Last-Event-ID "", no proxy_pass_request_headers off',
            "HAProxy: no http-request del-header Last-Event-ID",
            "Caddy: no header_up -Last-Event-ID",
        ),
    ),
    "accept": Ill(
        "only who accepts nothing but event streams gets one",
        "EventSource does so. Let other clients do it, too: "
        "curl -N -H 'Accept: text/event-stream'. (jupyter-server-proxy asks for that.)",
    ),
}
"""All that can be found, by name."""
