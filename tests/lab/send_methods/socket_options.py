"""Sets socket options with which packets pass the filters of network devices, and others; prints the error number of each call as JSON.

"-32" after a name: the same call in the way of a 32-bit program (x86_64 with IA32 emulation)."""

import ctypes
import errno
import json
import mmap
import os
import platform
import socket
import struct

SOL_PACKET, SOL_XDP, AF_XDP = 263, 283, 44
PACKET_VERSION, PACKET_VNET_HDR, PACKET_QDISC_BYPASS, PACKET_VNET_HDR_SZ = 10, 15, 20, 24
XDP_TX_RING = 3
MAP_32BIT = 0x40
# Loads five 32-bit arguments from the address in the first register, and calls setsockopt (366) by interrupt 0x80.
CODE = bytes.fromhex(
    "53" "4989f8" "418b18" "418b4804" "418b5008" "418b700c" "418b7810" "b86e010000" "cd80" "5b" "c3"
)


def called(action):
    try:
        action()
    except OSError as error:
        return error.errno
    return 0


def packet_socket():
    return socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)


def as_32_bit(level, option, value):
    """In a child, as a kernel without that emulation ends the process."""
    page = mmap.mmap(
        -1,
        4096,
        flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_32BIT,
        prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC,
    )
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    page[: len(CODE)] = CODE
    page[1024 : 1024 + len(value)] = value
    with packet_socket() as end:
        page[2048:2068] = struct.pack("5I", end.fileno(), level, option, address + 1024, len(value))
        call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_uint64)(address)
        child = os.fork()
        if child == 0:
            os._exit(-call(address + 2048))
        status = os.waitpid(child, 0)[1]
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else errno.ENOSYS


def main():
    one = struct.pack("i", 1)
    results = {}
    for name, option, value in [
        ("PACKET_QDISC_BYPASS", PACKET_QDISC_BYPASS, one),
        ("PACKET_VNET_HDR", PACKET_VNET_HDR, one),
        ("PACKET_VNET_HDR_SZ", PACKET_VNET_HDR_SZ, struct.pack("i", 10)),
        ("PACKET_VERSION", PACKET_VERSION, one),
    ]:
        with packet_socket() as end:
            results[name] = called(lambda: end.setsockopt(SOL_PACKET, option, value))
    with socket.socket(AF_XDP, socket.SOCK_RAW, 0) as end:
        results["XDP_TX_RING"] = called(lambda: end.setsockopt(SOL_XDP, XDP_TX_RING, 64))
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as end:
        size = struct.pack("i", 65536)
        results["SO_RCVBUF"] = called(lambda: end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size))
        # More than a page, as of large rule sets of iptables.
        size = size.ljust(8192, b"\0")
        results["SO_RCVBUF-long"] = called(lambda: end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size))
        is_set = end.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 131072
        results["SO_RCVBUF-value"] = 0 if is_set else errno.EINVAL
    if platform.machine() == "x86_64":
        results["PACKET_QDISC_BYPASS-32"] = as_32_bit(SOL_PACKET, PACKET_QDISC_BYPASS, one)
        results["PACKET_VERSION-32"] = as_32_bit(SOL_PACKET, PACKET_VERSION, one)
    print(json.dumps(results))


main()
