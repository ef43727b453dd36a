"""Tries every way that a socket has to get a packet to an address, or past it.

Reads a JSON list of {"way", "to", "via"} from standard input and prints a list of {"errno", "milliseconds"}. `to` is
where the packet is to arrive in the end, `via` where else it pretends to go. With two arguments, files, it first opens
the sockets of the ways that begin with "early", then makes the first file and waits for the second.
"""

import errno
import json
import os
import socket
import struct
import sys
import time

PORT, OTHER_PORT, SERVER_PORT = 443, 80, 8443
EXPERIMENTAL = 253  # Reserved for experiments (RFC 3692).
UDPLITE, MPTCP, SCTP = 136, 262, 132
# Options that the socket module does not name (linux/in.h, in6.h, tcp.h, udp.h).
IP_OPTIONS, IP_RETOPTS = 4, 7
TCP_FASTOPEN_CONNECT, UDP_SEGMENT = 30, 103
LOOSE = 131
DATA = b"what the device knows"

WAYS = {}
EARLY = {}


def way(act):
    WAYS[act.__name__.replace("_", "-")] = act
    return act


def early(act):
    """A way in two steps: `act` opens and yields, then goes on."""
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


@way
def tcp(to, via):
    connect(to)


@way
def tcp_other_port(to, via):
    connect(to, port=OTHER_PORT)


@way
def tcp_bound(to, via):
    stream = opened(to, socket.SOCK_STREAM)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
    stream.bind(("", 0))
    stream.connect((to, PORT))


@way
def tcp_fast_open(to, via):
    opened(to, socket.SOCK_STREAM).sendto(DATA, socket.MSG_FASTOPEN, (to, PORT))


@way
def tcp_fast_open_connect(to, via):
    stream = opened(to, socket.SOCK_STREAM)
    stream.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)
    stream.connect((to, PORT))
    stream.send(DATA)


@way
def tcp_after_refusal(to, via):
    stream = opened(to, socket.SOCK_STREAM)
    try:
        stream.connect((to, PORT))
    except PermissionError:
        stream.connect((to, PORT))


@way
def mptcp(to, via):
    connect(to, MPTCP)


@way
def mptcp_fast_open(to, via):
    opened(to, socket.SOCK_STREAM, MPTCP).sendto(DATA, socket.MSG_FASTOPEN, (to, PORT))


@way
def sctp(to, via):
    connect(to, SCTP)


@way
def sctp_message(to, via):
    opened(to, socket.SOCK_SEQPACKET, SCTP).sendto(DATA, (to, PORT))


@way
def udp_sendto(to, via):
    opened(to, socket.SOCK_DGRAM).sendto(DATA, (to, PORT))


@way
def udp_sendmsg(to, via):
    opened(to, socket.SOCK_DGRAM).sendmsg([DATA, DATA], [], 0, (to, PORT))


@way
def udp_connected(to, via):
    udp = opened(to, socket.SOCK_DGRAM)
    udp.connect((to, PORT))
    udp.send(DATA)


@way
def udp_connected_elsewhere(to, via):
    udp = opened(to, socket.SOCK_DGRAM)
    udp.connect((via, PORT))
    udp.sendto(DATA, (to, PORT))


@way
def udp_corked(to, via):
    udp = opened(to, socket.SOCK_DGRAM)
    udp.sendto(DATA, socket.MSG_MORE, (to, PORT))
    udp.sendto(DATA, (to, PORT))


@way
def udp_corked_elsewhere(to, via):
    """The corked datagram keeps its first destination."""
    udp = opened(to, socket.SOCK_DGRAM)
    udp.sendto(DATA, socket.MSG_MORE, (to, PORT))
    udp.sendto(DATA, (via, PORT))


@way
def udp_in_fragments(to, via):
    opened(to, socket.SOCK_DGRAM).sendto(bytes(4000), (to, PORT))


@way
def udp_in_segments(to, via):
    udp = opened(to, socket.SOCK_DGRAM)
    udp.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)
    udp.sendto(bytes(4000), (to, PORT))


@way
def udp_lite(to, via):
    opened(to, socket.SOCK_DGRAM, UDPLITE).sendto(DATA, (to, PORT))


@way
def udp_reconnected(to, via):
    udp = opened(to, socket.SOCK_DGRAM)
    udp.connect((via, PORT))
    udp.connect((to, PORT))
    udp.send(DATA)


def echo(to):
    """An echo request; the kernel fills in the checksum of ICMPv6 alone."""
    if family(to) == socket.AF_INET6:
        return struct.pack("!BBHHH", 128, 0, 0, 7, 1)
    return struct.pack("!BBHHH", 8, 0, 0xF7F7, 7, 1)


def icmp(to):
    return socket.IPPROTO_ICMPV6 if family(to) == socket.AF_INET6 else socket.IPPROTO_ICMP


@way
def ping(to, via):
    opened(to, socket.SOCK_DGRAM, icmp(to)).sendto(echo(to), (to, 0))


@way
def raw_ping(to, via):
    opened(to, socket.SOCK_RAW, icmp(to)).sendto(echo(to), (to, 0))


@way
def raw(to, via):
    opened(to, socket.SOCK_RAW, EXPERIMENTAL).sendto(DATA, (to, 0))


@way
def raw_connected(to, via):
    any_ip = opened(to, socket.SOCK_RAW, EXPERIMENTAL)
    any_ip.connect((to, 0))
    any_ip.send(DATA)


@way
def raw_in_fragments(to, via):
    opened(to, socket.SOCK_RAW, EXPERIMENTAL).sendto(bytes(4000), (to, 0))


def segment(port=PORT):
    return struct.pack("!HHIIBBHHH", 40000, port, 1, 0, 0x50, 2, 1024, 0, 0)


@way
def raw_tcp(to, via):
    opened(to, socket.SOCK_RAW, socket.IPPROTO_TCP).sendto(segment(OTHER_PORT), (to, 0))


@way
def raw_udp(to, via):
    datagram = struct.pack("!HHHH", 40000, PORT, 8, 0)
    opened(to, socket.SOCK_RAW, socket.IPPROTO_UDP).sendto(datagram, (to, 0))


def header(to, protocol=EXPERIMENTAL, first=0x45, fragment=0, options=b"", source=bytes(4)):
    """An IPv4 header; the kernel fills in length, checksum, id and a source that is zero."""
    first += len(options) // 4
    start = struct.pack("!BBHHHBBH", first, 0, 0, 0, fragment, 64, protocol, 0)
    return start + source + packed(to) + options


def header6(to, protocol=EXPERIMENTAL, first=0x60, payload=DATA):
    source = packed("fd53::2")
    return struct.pack("!BBHHBB", first, 0, 0, len(payload), protocol, 64) + source + packed(to) + payload


def send_whole(to, packet):
    opened(to, socket.SOCK_RAW, socket.IPPROTO_RAW).sendto(packet, (to, 0))


@way
def own_header(to, via):
    v6 = family(to) == socket.AF_INET6
    send_whole(to, header6(to) if v6 else header(to) + DATA)


@way
def own_header_past_its_address(to, via):
    """What the call names is not what stands in the header."""
    v6 = family(to) == socket.AF_INET6
    send_whole(via, header6(to) if v6 else header(to) + DATA)


@way
def own_header_bound_source(to, via):
    send_whole(to, header(to, source=packed("10.53.0.77")) + DATA)


@way
def own_header_connected(to, via):
    v6 = family(to) == socket.AF_INET6
    any_ip = opened(to, socket.SOCK_RAW, socket.IPPROTO_RAW)
    any_ip.connect((via, 0))
    any_ip.send(header6(to) if v6 else header(to) + DATA)


@way
def own_header_first_fragment(to, via):
    if family(to) == socket.AF_INET6:
        payload = struct.pack("!BBHI", socket.IPPROTO_TCP, 0, 1, 7) + segment()[:16]
        return send_whole(to, header6(to, 44, payload=payload))
    return send_whole(to, header(to, socket.IPPROTO_TCP, fragment=0x2000) + segment()[:16])


@way
def own_header_later_fragment(to, via):
    if family(to) == socket.AF_INET6:
        payload = struct.pack("!BBHI", socket.IPPROTO_TCP, 0, 8, 7) + segment()
        return send_whole(to, header6(to, 44, payload=payload))
    return send_whole(to, header(to, socket.IPPROTO_TCP, fragment=1) + segment())


@way
def own_header_of_another_version(to, via):
    """The header says IPv6 (or IPv4), the socket is of the other family."""
    v6 = family(to) == socket.AF_INET6
    send_whole(to, header6(to, first=0x45) if v6 else header(to, first=0x65) + DATA)


@way
def own_header_source_route(to, via):
    route = bytes([LOOSE, 7, 4]) + packed(to) + bytes(1)
    send_whole(via, header(via, socket.IPPROTO_UDP, options=route) + DATA)


@way
def own_header_broken_options(to, via):
    send_whole(to, header(to, socket.IPPROTO_TCP, options=bytes([7, 0, 0, 0])) + segment())


@way
def own_header_behind_headers(to, via):
    headers = bytes([60] + [0] * 7) + bytes([socket.IPPROTO_TCP] + [0] * 7)
    send_whole(to, header6(to, 0, payload=headers + segment(OTHER_PORT)))


@way
def own_header_behind_too_many_headers(to, via):
    headers = bytes([60] + [0] * 7) * 11 + bytes([socket.IPPROTO_TCP] + [0] * 7)
    send_whole(to, header6(to, 60, payload=headers + segment()))


@way
def own_header_routing_header(to, via):
    route = struct.pack("!BBBBI", socket.IPPROTO_UDP, 2, 0, 1, 0) + packed(to)
    send_whole(via, header6(via, 43, payload=route + DATA))


@way
def tunnel_ipip(to, via):
    opened(to, socket.SOCK_RAW, 4).sendto(header(via) + DATA, (to, 0))


@way
def tunnel_6in4(to, via):
    opened(to, socket.SOCK_RAW, 41).sendto(header6("2001:db8:80::80"), (to, 0))


@way
def tunnel_gre(to, via):
    opened(to, socket.SOCK_RAW, 47).sendto(b"\0\0\x08\0" + DATA, (to, 0))


@way
def tunnel_esp(to, via):
    opened(to, socket.SOCK_RAW, 50).sendto(bytes(40), (to, 0))


def ip_options(kind, hop):
    return bytes([kind, 7, 4]) + packed(hop) + bytes(1)


def source_routed(to, hop):
    udp = opened(to, socket.SOCK_DGRAM)
    udp.setsockopt(socket.IPPROTO_IP, IP_OPTIONS, ip_options(LOOSE, hop))
    udp.sendto(DATA, (to, PORT))


@way
def loose_source_route(to, via):
    source_routed(to, via)


@way
def source_route_over_the_address(to, via):
    """The packet goes to `to` first, and on from there."""
    source_routed(via, to)


@way
def source_route_in_the_message(to, via):
    options = (socket.IPPROTO_IP, IP_RETOPTS, ip_options(LOOSE, via))
    opened(to, socket.SOCK_DGRAM).sendmsg([DATA], [options], 0, (to, PORT))


@way
def source_route_tcp(to, via):
    stream = opened(to, socket.SOCK_STREAM)
    stream.setsockopt(socket.IPPROTO_IP, IP_OPTIONS, ip_options(LOOSE, via))
    stream.connect((to, PORT))


@way
def source_route_raw(to, via):
    any_ip = opened(to, socket.SOCK_RAW, EXPERIMENTAL)
    any_ip.setsockopt(socket.IPPROTO_IP, IP_OPTIONS, ip_options(LOOSE, via))
    any_ip.sendto(DATA, (to, 0))


def routing_header(kind, hop):
    if kind == 2:
        return struct.pack("!BBBBI", 0, 2, 2, 1, 0) + packed(hop)
    return struct.pack("!BBBBBBH", 0, 4, 4, 1, 1, 0, 0) + bytes(16) + packed(hop)


def routed(to, kind, hop):
    udp = opened(to, socket.SOCK_DGRAM)
    udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RTHDR, routing_header(kind, hop))
    udp.sendto(DATA, (to, PORT))


@way
def routing_header_2(to, via):
    routed(to, 2, via)


@way
def routing_header_4(to, via):
    routed(to, 4, via)


@way
def routing_header_over_the_address(to, via):
    routed(via, 4, to)


@way
def routing_header_in_the_message(to, via):
    ancillary = (socket.IPPROTO_IPV6, socket.IPV6_RTHDR, routing_header(4, via))
    opened(to, socket.SOCK_DGRAM).sendmsg([DATA], [ancillary], 0, (to, PORT))


@way
def routing_header_tcp(to, via):
    stream = opened(to, socket.SOCK_STREAM)
    stream.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RTHDR, routing_header(4, via))
    stream.connect((to, PORT))


@way
def options_before_tcp(to, via):
    stream = opened(to, socket.SOCK_STREAM)
    options = bytes([0, 0, 1, 4, 0, 0, 0, 0])
    stream.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_HOPOPTS, options)
    stream.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, options)
    stream.connect((to, PORT))


@way
def options_before_udp(to, via):
    udp = opened(to, socket.SOCK_DGRAM)
    udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, bytes([0, 0, 1, 4, 0, 0, 0, 0]))
    udp.sendto(DATA, (to, PORT))


def in_a_child(act):
    """Runs `act` in another process; its error is ours."""
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


@way
def in_another_user(to, via):
    def nobody():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        udp_sendto(to, via)

    in_a_child(nobody)


@way
def socket_passed_on(to, via):
    """Another process sends through a descriptor that it was handed."""
    ours, theirs = socket.socketpair()
    udp = opened(to, socket.SOCK_DGRAM)
    socket.send_fds(ours, [b"x"], [udp.fileno()])

    def receiver():
        _, [fd], _, _ = socket.recv_fds(theirs, 1, 1)
        socket.socket(fileno=fd).sendto(DATA, (to, PORT))

    in_a_child(receiver)


@way
def packet_socket(to, via):
    """Below IP: a frame for the gateway."""
    udp_sendto(via, to)  # So that the gateway's hardware address is known.
    neighbours = open("/proc/net/arp").read().splitlines()
    gateway = next(line.split()[3] for line in neighbours if line.startswith("10.53.0.1 "))
    packet = bytearray(header(to, source=packed("10.53.0.2")) + DATA)
    packet[2:4] = struct.pack("!H", len(packet))
    link = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    link.sendto(bytes(packet), ("eth0", 0x0800, 0, 0, bytes.fromhex(gateway.replace(":", ""))))


@way
def until_refused(to, via):
    for _ in range(1000):
        udp_sendto(to, via)
        time.sleep(0.01)


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
    """The process leaves its cgroup for `via`; the socket stays where it was opened."""
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


def attempt(act):
    start = time.monotonic()
    number = None
    try:
        act()
    except StopIteration:
        pass
    except TimeoutError as error:
        number = error.errno or errno.ETIMEDOUT
    except OSError as error:
        number = error.errno
    milliseconds = (time.monotonic() - start) * 1000
    return {"errno": number, "milliseconds": milliseconds}


def main(tries, ready=None, go=None):
    begun = {}
    for at, each in enumerate(tries):
        if each["way"] in EARLY:
            begun[at] = EARLY[each["way"]](each["to"], each["via"])
            next(begun[at])
    if ready:
        open(ready, "w").close()
        while not os.path.exists(go):
            time.sleep(0.005)
    results = []
    for at, each in enumerate(tries):
        if at in begun:
            results.append(attempt(lambda: next(begun[at])))
        else:
            results.append(attempt(lambda: WAYS[each["way"]](each["to"], each["via"])))
    print(json.dumps(results))


if __name__ == "__main__":
    main(json.load(sys.stdin), *sys.argv[1:])
