"""Ordinary sockets, and raw sockets without a hand-written header."""

import os
import socket
import struct
import time

from common import DATA, EXPERIMENTAL, MPTCP, OTHER_PORT, PORT, SCTP, TCP_FASTOPEN_CONNECT, UDPLITE, UDP_SEGMENT
from common import connect, family, in_a_child, opened, send_method


@send_method
def tcp(to, via):
    connect(to)


@send_method
def tcp_other_port(to, via):
    connect(to, port=OTHER_PORT)


@send_method
def tcp_bound(to, via):
    stream = opened(to, socket.SOCK_STREAM)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
    stream.bind(("", 0))
    stream.connect((to, PORT))


@send_method
def tcp_fast_open(to, via):
    opened(to, socket.SOCK_STREAM).sendto(DATA, socket.MSG_FASTOPEN, (to, PORT))


@send_method
def tcp_fast_open_connect(to, via):
    stream = opened(to, socket.SOCK_STREAM)
    stream.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)
    stream.connect((to, PORT))
    stream.send(DATA)


@send_method
def tcp_after_refusal(to, via):
    stream = opened(to, socket.SOCK_STREAM)
    try:
        stream.connect((to, PORT))
    except PermissionError:
        stream.connect((to, PORT))


@send_method
def mptcp(to, via):
    connect(to, MPTCP)


@send_method
def mptcp_fast_open(to, via):
    opened(to, socket.SOCK_STREAM, MPTCP).sendto(DATA, socket.MSG_FASTOPEN, (to, PORT))


@send_method
def sctp(to, via):
    connect(to, SCTP)


@send_method
def sctp_message(to, via):
    opened(to, socket.SOCK_SEQPACKET, SCTP).sendto(DATA, (to, PORT))


@send_method
def udp_sendto(to, via):
    opened(to, socket.SOCK_DGRAM).sendto(DATA, (to, PORT))


@send_method
def udp_sendmsg(to, via):
    opened(to, socket.SOCK_DGRAM).sendmsg([DATA, DATA], [], 0, (to, PORT))


@send_method
def udp_connect_only(to, via):
    opened(to, socket.SOCK_DGRAM).connect((to, PORT))


@send_method
def udp_connected(to, via):
    udp = opened(to, socket.SOCK_DGRAM)
    udp.connect((to, PORT))
    udp.send(DATA)


@send_method
def udp_connected_elsewhere(to, via):
    udp = opened(to, socket.SOCK_DGRAM)
    udp.connect((via, PORT))
    udp.sendto(DATA, (to, PORT))


@send_method
def udp_corked(to, via):
    udp = opened(to, socket.SOCK_DGRAM)
    udp.sendto(DATA, socket.MSG_MORE, (to, PORT))
    udp.sendto(DATA, (to, PORT))


@send_method
def udp_corked_elsewhere(to, via):
    """The corked datagram keeps its first destination."""
    udp = opened(to, socket.SOCK_DGRAM)
    udp.sendto(DATA, socket.MSG_MORE, (to, PORT))
    udp.sendto(DATA, (via, PORT))


@send_method
def udp_in_fragments(to, via):
    opened(to, socket.SOCK_DGRAM).sendto(bytes(4000), (to, PORT))


@send_method
def udp_in_segments(to, via):
    udp = opened(to, socket.SOCK_DGRAM)
    udp.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)
    udp.sendto(bytes(4000), (to, PORT))


@send_method
def udp_lite(to, via):
    opened(to, socket.SOCK_DGRAM, UDPLITE).sendto(DATA, (to, PORT))


@send_method
def udp_reconnected(to, via):
    udp = opened(to, socket.SOCK_DGRAM)
    udp.connect((via, PORT))
    udp.connect((to, PORT))
    udp.send(DATA)


def echo(to):
    """Returns an echo request; the kernel fills in the checksum for ICMPv6 only."""
    if family(to) == socket.AF_INET6:
        return struct.pack("!BBHHH", 128, 0, 0, 7, 1)
    return struct.pack("!BBHHH", 8, 0, 0xF7F7, 7, 1)


def icmp(to):
    return socket.IPPROTO_ICMPV6 if family(to) == socket.AF_INET6 else socket.IPPROTO_ICMP


@send_method
def ping(to, via):
    opened(to, socket.SOCK_DGRAM, icmp(to)).sendto(echo(to), (to, 0))


@send_method
def raw_ping(to, via):
    opened(to, socket.SOCK_RAW, icmp(to)).sendto(echo(to), (to, 0))


@send_method
def raw(to, via):
    opened(to, socket.SOCK_RAW, EXPERIMENTAL).sendto(DATA, (to, 0))


@send_method
def raw_connected(to, via):
    any_ip = opened(to, socket.SOCK_RAW, EXPERIMENTAL)
    any_ip.connect((to, 0))
    any_ip.send(DATA)


@send_method
def raw_in_fragments(to, via):
    opened(to, socket.SOCK_RAW, EXPERIMENTAL).sendto(bytes(4000), (to, 0))


@send_method
def in_another_user(to, via):
    def nobody():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        udp_sendto(to, via)

    in_a_child(nobody)


@send_method
def socket_passed_on(to, via):
    """Another process sends through a descriptor that was passed to it."""
    ours, theirs = socket.socketpair()
    udp = opened(to, socket.SOCK_DGRAM)
    socket.send_fds(ours, [b"x"], [udp.fileno()])

    def receiver():
        _, [fd], _, _ = socket.recv_fds(theirs, 1, 1)
        socket.socket(fileno=fd).sendto(DATA, (to, PORT))

    in_a_child(receiver)


@send_method
def until_refused(to, via):
    for _ in range(1000):
        udp_sendto(to, via)
        time.sleep(0.01)
