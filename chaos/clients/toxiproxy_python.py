"""The network emulator, driven by toxiproxy-python: proxies, every toxic of Toxiproxy, down, reset, errors.

Run by .ci/toxiproxy-client with the emulator's URL. Ends with an AssertionError when the emulator is not what the client expects.
"""

import contextlib
import socket
import sys
import threading
import time
from urllib.parse import urlparse

from toxiproxy import Toxiproxy
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

PATIENCE_S = 10.0


def echo():
    """An echo server on a free port; its address as host:port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def carry(connection):
        with connection, contextlib.suppress(ConnectionError):
            while data := connection.recv(65536):
                connection.sendall(data)

    def accept():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=carry, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return "127.0.0.1:%d" % listener.getsockname()[1]


def dial(proxy):
    host, port = proxy.listen.rsplit(":", 1)
    connection = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def trip(connection, data=b"there and back"):
    """Seconds until everything sent came back; None when the connection ended first."""
    began = time.monotonic()
    try:
        connection.sendall(data)
        left = len(data)
        while left:
            got = connection.recv(left)
            if not got:
                return None
            left -= len(got)
    except ConnectionError:
        return None
    return time.monotonic() - began


def with_toxic(proxy, kind, attributes, check):
    """Adds the toxic to an open connection, checks, removes it, and sees the proxy work again."""
    with dial(proxy) as connection:
        assert trip(connection) is not None, kind
        proxy.add_toxic(type=kind, stream="upstream", attributes=attributes)
        name = kind + "_upstream"
        toxic = proxy.get_toxic(name)
        assert (toxic.type, toxic.stream, toxic.toxicity) == (kind, "upstream", 1.0), vars(toxic)
        for key, value in attributes.items():
            assert toxic.attributes[key] == value, (kind, toxic.attributes)
        check(connection)
        assert proxy.destroy_toxic(name)
        assert proxy.toxics() == {}
    with dial(proxy) as again:
        # One trip may be late for other reasons.
        trips = [trip(again) for _ in range(10)]
        assert None not in trips and min(trips) < 0.25, (kind, trips)
    print("ok: %s" % kind)


def at_least(seconds, data=b"there and back"):
    def check(connection):
        took = trip(connection, data)
        assert took is not None and took >= seconds, took

    return check


def ends(connection):
    assert trip(connection) is None


def ends_late(seconds):
    def check(connection):
        began = time.monotonic()
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
        assert time.monotonic() - began >= seconds

    return check


def refused(error, act):
    try:
        act()
    except error:
        return
    raise AssertionError("no %s" % error.__name__)


def main():
    url = urlparse(sys.argv[1])
    server = Toxiproxy()
    server.update_api_consumer(url.hostname, url.port)
    assert server.running() and b"version" in server.version()

    upstream = echo()
    proxy = server.create(upstream=upstream, name="echo")
    assert list(server.proxies()) == ["echo"]
    refused(ProxyExists, lambda: server.create(upstream=upstream, name="echo"))

    with_toxic(proxy, "latency", {"latency": 300, "jitter": 10}, at_least(0.29))
    with_toxic(proxy, "bandwidth", {"rate": 100}, at_least(0.39, b"x" * 40000))
    with_toxic(proxy, "slicer", {"average_size": 10, "size_variation": 5, "delay": 5000}, at_least(0.3, b"x" * 1000))
    with_toxic(proxy, "timeout", {"timeout": 300}, ends)
    with_toxic(proxy, "reset_peer", {"timeout": 0}, ends)
    with_toxic(proxy, "limit_data", {"bytes": 5}, ends)
    with_toxic(proxy, "slow_close", {"delay": 400}, ends_late(0.4))

    with proxy.down():
        refused(ConnectionRefusedError, lambda: dial(proxy))
    with dial(proxy) as connection:
        assert trip(connection) is not None
    print("ok: down")

    refused(InvalidToxic, lambda: proxy.add_toxic(type="gremlin"))
    refused(NotFound, lambda: proxy.destroy_toxic("gremlin"))
    proxy.add_toxic(type="latency")
    proxy.disable()
    server.populate([{"name": "other", "upstream": upstream, "listen": "127.0.0.1:0"}])
    assert server.reset()
    assert proxy.toxics() == {} and server.get_proxy("echo").enabled
    server.destroy_all()
    assert server.proxies() == {}
    print("ok: errors, populate, reset, destroy")


if __name__ == "__main__":
    main()
