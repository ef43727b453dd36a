"""Hand-written headers, tunnels, source routes, options."""

import socket
import struct

from common import DATA, EXPERIMENTAL, IP_OPTIONS, IP_RETOPTS, LOOSE, OTHER_PORT, PORT, family, opened, packed, send_method
from sockets import udp_sendto


def segment(port=PORT):
    return struct.pack("!HHIIBBHHH", 40000, port, 1, 0, 0x50, 2, 1024, 0, 0)


@send_method
def raw_tcp(to, via):
    opened(to, socket.SOCK_RAW, socket.IPPROTO_TCP).sendto(segment(OTHER_PORT), (to, 0))


@send_method
def raw_udp(to, via):
    datagram = struct.pack("!HHHH", 40000, PORT, 8, 0)
    opened(to, socket.SOCK_RAW, socket.IPPROTO_UDP).sendto(datagram, (to, 0))


def header(to, protocol=EXPERIMENTAL, first=0x45, fragment=0, options=b"", source=bytes(4)):
    """Returns an IPv4 header; the kernel fills in length, checksum, id and a zero source."""
    first += len(options) // 4
    start = struct.pack("!BBHHHBBH", first, 0, 0, 0, fragment, 64, protocol, 0)
    return start + source + packed(to) + options


def header6(to, protocol=EXPERIMENTAL, first=0x60, payload=DATA):
    source = packed("fd53::2")
    return struct.pack("!BBHHBB", first, 0, 0, len(payload), protocol, 64) + source + packed(to) + payload


def send_whole(to, packet):
    opened(to, socket.SOCK_RAW, socket.IPPROTO_RAW).sendto(packet, (to, 0))


@send_method
def own_header(to, via):
    v6 = family(to) == socket.AF_INET6
    send_whole(to, header6(to) if v6 else header(to) + DATA)


@send_method
def own_header_past_its_address(to, via):
    """The address in the call differs from the one in the header."""
    v6 = family(to) == socket.AF_INET6
    send_whole(via, header6(to) if v6 else header(to) + DATA)


@send_method
def own_header_bound_source(to, via):
    send_whole(to, header(to, source=packed("10.53.0.77")) + DATA)


@send_method
def own_header_connected(to, via):
    v6 = family(to) == socket.AF_INET6
    any_ip = opened(to, socket.SOCK_RAW, socket.IPPROTO_RAW)
    any_ip.connect((via, 0))
    any_ip.send(header6(to) if v6 else header(to) + DATA)


@send_method
def own_header_first_fragment(to, via):
    if family(to) == socket.AF_INET6:
        payload = struct.pack("!BBHI", socket.IPPROTO_TCP, 0, 1, 7) + segment()[:16]
        return send_whole(to, header6(to, 44, payload=payload))
    return send_whole(to, header(to, socket.IPPROTO_TCP, fragment=0x2000) + segment()[:16])


@send_method
def own_header_later_fragment(to, via):
    if family(to) == socket.AF_INET6:
        payload = struct.pack("!BBHI", socket.IPPROTO_TCP, 0, 8, 7) + segment()
        return send_whole(to, header6(to, 44, payload=payload))
    return send_whole(to, header(to, socket.IPPROTO_TCP, fragment=1) + segment())


@send_method
def own_header_of_another_version(to, via):
    """The header's version differs from the socket's family."""
    v6 = family(to) == socket.AF_INET6
    send_whole(to, header6(to, first=0x45) if v6 else header(to, first=0x65) + DATA)


@send_method
def own_header_source_route(to, via):
    route = bytes([LOOSE, 7, 4]) + packed(to) + bytes(1)
    send_whole(via, header(via, socket.IPPROTO_UDP, options=route) + DATA)


@send_method
def own_header_broken_options(to, via):
    send_whole(to, header(to, socket.IPPROTO_TCP, options=bytes([7, 0, 0, 0])) + segment())


@send_method
def own_header_behind_headers(to, via):
    headers = bytes([60] + [0] * 7) + bytes([socket.IPPROTO_TCP] + [0] * 7)
    send_whole(to, header6(to, 0, payload=headers + segment(OTHER_PORT)))


@send_method
def own_header_behind_too_many_headers(to, via):
    headers = bytes([60] + [0] * 7) * 11 + bytes([socket.IPPROTO_TCP] + [0] * 7)
    send_whole(to, header6(to, 60, payload=headers + segment()))


@send_method
def own_header_routing_header(to, via):
    route = struct.pack("!BBBBI", socket.IPPROTO_UDP, 2, 0, 1, 0) + packed(to)
    send_whole(via, header6(via, 43, payload=route + DATA))


@send_method
def tunnel_ipip(to, via):
    opened(to, socket.SOCK_RAW, 4).sendto(header(via) + DATA, (to, 0))


@send_method
def tunnel_6in4(to, via):
    opened(to, socket.SOCK_RAW, 41).sendto(header6("2001:db8:80::80"), (to, 0))


@send_method
def tunnel_gre(to, via):
    opened(to, socket.SOCK_RAW, 47).sendto(b"\0\0\x08\0" + DATA, (to, 0))


@send_method
def tunnel_esp(to, via):
    opened(to, socket.SOCK_RAW, 50).sendto(bytes(40), (to, 0))


def ip_options(kind, hop):
    return bytes([kind, 7, 4]) + packed(hop) + bytes(1)


def source_routed(to, hop):
    udp = opened(to, socket.SOCK_DGRAM)
    udp.setsockopt(socket.IPPROTO_IP, IP_OPTIONS, ip_options(LOOSE, hop))
    udp.sendto(DATA, (to, PORT))


@send_method
def loose_source_route(to, via):
    source_routed(to, via)


@send_method
def source_route_over_the_address(to, via):
    """The packet goes to `to` first, then to `via`."""
    source_routed(via, to)


@send_method
def source_route_in_the_message(to, via):
    options = (socket.IPPROTO_IP, IP_RETOPTS, ip_options(LOOSE, via))
    opened(to, socket.SOCK_DGRAM).sendmsg([DATA], [options], 0, (to, PORT))


@send_method
def source_route_tcp(to, via):
    stream = opened(to, socket.SOCK_STREAM)
    stream.setsockopt(socket.IPPROTO_IP, IP_OPTIONS, ip_options(LOOSE, via))
    stream.connect((to, PORT))


@send_method
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


@send_method
def routing_header_2(to, via):
    routed(to, 2, via)


@send_method
def routing_header_4(to, via):
    routed(to, 4, via)


@send_method
def routing_header_over_the_address(to, via):
    routed(via, 4, to)


@send_method
def routing_header_in_the_message(to, via):
    ancillary = (socket.IPPROTO_IPV6, socket.IPV6_RTHDR, routing_header(4, via))
    opened(to, socket.SOCK_DGRAM).sendmsg([DATA], [ancillary], 0, (to, PORT))


@send_method
def routing_header_tcp(to, via):
    stream = opened(to, socket.SOCK_STREAM)
    stream.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RTHDR, routing_header(4, via))
    stream.connect((to, PORT))


@send_method
def options_before_tcp(to, via):
    stream = opened(to, socket.SOCK_STREAM)
    options = bytes([0, 0, 1, 4, 0, 0, 0, 0])
    stream.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_HOPOPTS, options)
    stream.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, options)
    stream.connect((to, PORT))


@send_method
def options_before_udp(to, via):
    udp = opened(to, socket.SOCK_DGRAM)
    udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, bytes([0, 0, 1, 4, 0, 0, 0, 0]))
    udp.sendto(DATA, (to, PORT))


@send_method
def packet_socket(to, via):
    """Sends a link-layer frame to the gateway."""
    udp_sendto(via, to)  # Resolves the gateway's hardware address.
    neighbours = open("/proc/net/arp").read().splitlines()
    gateway = next(line.split()[3] for line in neighbours if line.startswith("10.53.0.1 "))
    packet = bytearray(header(to, source=packed("10.53.0.2")) + DATA)
    packet[2:4] = struct.pack("!H", len(packet))
    link = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    link.sendto(bytes(packet), ("eth0", 0x0800, 0, 0, bytes.fromhex(gateway.replace(":", ""))))
