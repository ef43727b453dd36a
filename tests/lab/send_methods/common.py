"""Shared by all send methods: registries, addresses, sockets."""

import os
import socket

PORT, OTHER_PORT, SERVER_PORT = 443, 80, 8443
EXPERIMENTAL = 253  # Reserved for experiments (RFC 3692).
UDPLITE, MPTCP, SCTP = 136, 262, 132
# Options that the socket module does not name (linux/in.h, in6.h, tcp.h, udp.h).
IP_OPTIONS, IP_RETOPTS = 4, 7
TCP_FASTOPEN_CONNECT, UDP_SEGMENT = 30, 103
LOOSE = 131
DATA = b"what the device knows"

SEND_METHODS = {}
EARLY = {}


def send_method(act):
    SEND_METHODS[act.__name__.replace("_", "-")] = act
    return act


def early(act):
    """Registers a method in two steps: `act` opens its socket and yields, then sends."""
    EARLY[act.__name__.replace("_", "-")] = act
    return act


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def packed(address):
    return socket.inet_pton(family(address), address)


def opened(address, kind, protocol=0):
    any_socket = socket.socket(family(address), kind, protocol)
    any_socket.settimeout(0.2)
    return any_socket


def connect(to, protocol=0, port=PORT):
    tcp = opened(to, socket.SOCK_STREAM, protocol)
    tcp.connect((to, port))
    return tcp


def in_a_child(act):
    """Runs `act` in a child process and raises its error here."""
    child = os.fork()
    if child == 0:
        try:
            act()
        except OSError as error:
            os._exit(error.errno)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        raise OSError(status, "in the child")
