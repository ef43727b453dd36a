"""Tries to reach addresses over every kind of socket: reach_addresses.py ROUNDS ADDRESS...

Prints a JSON list of {"kind", "address", "errno", "milliseconds"}; errno is null when the system
call succeeded, which proves that a packet left for TCP only.
"""

import ipaddress
import json
import os
import socket
import struct
import sys
import time

PORT = 443
TIMEOUT = 2.0
# Reserved for experiments (RFC 3692).
EXPERIMENTAL = 253
ECHO_V4, ECHO_V6 = 8, 128


def main(rounds, *addresses):
    attempts = []
    for _ in range(int(rounds)):
        for address in addresses:
            for kind, act in kinds(ipaddress.ip_address(address)).items():
                attempts.append(attempt(kind, address, act))
    print(json.dumps(attempts))


def attempt(kind, address, act):
    start = time.monotonic()
    errno = None
    try:
        act()
    except TimeoutError as error:
        errno = error.errno or 110
    except OSError as error:
        errno = error.errno
    milliseconds = (time.monotonic() - start) * 1000
    return {"kind": kind, "address": address, "errno": errno, "milliseconds": milliseconds}


def kinds(address):
    if address.version == 6:
        text = str(address)
        return {
            "tcp": lambda: connect(socket.AF_INET6, text),
            "udp": lambda: send(socket.AF_INET6, text),
            "udp-connected": lambda: connect_and_send(socket.AF_INET6, text),
            "icmp": lambda: raw(socket.AF_INET6, socket.IPPROTO_ICMPV6, text, echo(ECHO_V6)),
            "raw": lambda: raw(socket.AF_INET6, EXPERIMENTAL, text, b"data"),
        }
    text, mapped = str(address), f"::ffff:{address}"
    return {
        "tcp": lambda: connect(socket.AF_INET, text),
        "tcp-mapped": lambda: connect(socket.AF_INET6, mapped),
        "udp": lambda: send(socket.AF_INET, text),
        "udp-connected": lambda: connect_and_send(socket.AF_INET, text),
        "udp-mapped": lambda: send(socket.AF_INET6, mapped),
        "icmp": lambda: raw(socket.AF_INET, socket.IPPROTO_ICMP, text, echo(ECHO_V4)),
        "raw": lambda: raw(socket.AF_INET, EXPERIMENTAL, text, b"data"),
        "raw-own-header": lambda: raw(socket.AF_INET, socket.IPPROTO_RAW, text, header(address)),
    }


def connect(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as tcp:
        tcp.settimeout(TIMEOUT)
        tcp.connect((address, PORT))


def send(family, address):
    with socket.socket(family, socket.SOCK_DGRAM) as udp:
        udp.sendto(b"data", (address, PORT))


def connect_and_send(family, address):
    with socket.socket(family, socket.SOCK_DGRAM) as udp:
        udp.connect((address, PORT))
        udp.send(b"data")


def raw(family, protocol, address, payload):
    with socket.socket(family, socket.SOCK_RAW, protocol) as any_ip:
        any_ip.sendto(payload, (address, 0))


def echo(kind):
    """Returns an echo request; the kernel fills in the checksum for ICMPv6 only."""
    header = struct.pack("!BBHHH", kind, 0, 0, os.getpid() & 0xFFFF, 1)
    if kind == ECHO_V6:
        return header
    total = sum(struct.unpack("!4H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return header[:2] + struct.pack("!H", ~total & 0xFFFF) + header[4:]


def header(address):
    """Returns an IPv4 header; the kernel fills in length, checksum, id and source."""
    start = struct.pack("!BBHHHBBH", 0x45, 0, 0, 0, 0, 64, EXPERIMENTAL, 0)
    return start + bytes(4) + address.packed + b"data"


if __name__ == "__main__":
    main(*sys.argv[1:])
