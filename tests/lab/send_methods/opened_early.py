"""Send methods in two steps: the socket is opened first and used later."""

import socket
import time

from common import DATA, EXPERIMENTAL, PORT, SERVER_PORT, connect, early, in_a_child, opened


@early
def early_tcp(to, via):
    stream = opened(to, socket.SOCK_STREAM)
    yield
    stream.connect((to, PORT))


@early
def early_connection(to, via):
    stream = connect(to)
    yield
    for _ in range(3):
        stream.send(DATA)
        time.sleep(0.05)


@early
def early_udp(to, via):
    udp = opened(to, socket.SOCK_DGRAM)
    yield
    udp.sendto(DATA, (to, PORT))


@early
def early_udp_connected(to, via):
    udp = opened(to, socket.SOCK_DGRAM)
    udp.connect((to, PORT))
    yield
    udp.send(DATA)


@early
def early_raw_connected(to, via):
    any_ip = opened(to, socket.SOCK_RAW, EXPERIMENTAL)
    any_ip.connect((to, 0))
    yield
    any_ip.send(DATA)


@early
def early_and_moved_out(to, via):
    """The process moves to the cgroup `via`; the socket stays in the cgroup where it was opened."""
    udp = opened(to, socket.SOCK_DGRAM)
    yield

    def mover():
        with open(via, "w") as procs:
            procs.write("0")
        udp.sendto(DATA, (to, PORT))

    in_a_child(mover)


@early
def early_server(to, via):
    """Waits for connections on every address."""
    server = socket.create_server(("::", SERVER_PORT), family=socket.AF_INET6, dualstack_ipv6=True)
    yield
    server.close()
