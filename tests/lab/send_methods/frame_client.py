"""Sends and receives frames, datagrams and streams by means that the sockets' hooks do not see.

    frame_client.py USER [DEVICES]   acts as the user with this number, the owner of so many network devices

Each line of standard input is {"do", "socket", ...}; the answer is a line {"errno", "data"}: the result of the call, and what it received.
Bytes are in hexadecimal.
"""

import errno
import json
import mmap
import os
import socket
import struct
import sys
import time

import frame_tls
import frame_uring
from frame_device import Device, opened

#: Timeout of a call in seconds.
PATIENCE = 3
ETH_P_ALL = 3
#: Options of packet sockets and of linux/socket.h that the socket module does not name.
SOL_PACKET, PACKET_VERSION, PACKET_TX_RING = 263, 10, 13
SEND_REQUEST = 1
#: By version of a packet socket's ring: `struct tpacket_hdr` and its successors, up to what is sent, with status and length; where the frame begins.
SLOTS = {1: ("QI", (0, 1), 32), 2: ("II", (0, 1), 32), 3: ("16xII", (1, 0), 48)}
SO_ZEROCOPY, MSG_ZEROCOPY = 60, 0x4000000
#: linux/udp.h.
UDP_ENCAP, UDP_ENCAP_ESPINUDP = 100, 2
#: Size of a ring of one frame.
SLOT = mmap.PAGESIZE

held = {}
pages = {}
#: Open files of network devices to be.
files = []
#: The layout of a ring, by its socket.
slots = {}
#: The Ethernet address of a socket that receives frames.
stations = {}


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def packet(number, kind):
    """Opens a packet socket that only sends."""
    held[number] = socket.socket(socket.AF_PACKET, getattr(socket, kind), 0)


def listen(number, device, mac):
    """Opens a packet socket that receives the frames at a device that are addressed to `mac`."""
    held[number] = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    stations[number] = bytes.fromhex(mac)
    held[number].bind((device, ETH_P_ALL))
    held[number].settimeout(PATIENCE)


def send_frame(number, device, protocol, data, to="000000000000"):
    address = (device, protocol, 0, 0, bytes.fromhex(to))
    held[number].sendto(bytes.fromhex(data), address)


def ring(number, device, protocol, version=2):
    """Opens a packet socket with a ring of one frame to send (packet(7), PACKET_TX_RING)."""
    packet(number, "SOCK_RAW")
    held[number].setsockopt(SOL_PACKET, PACKET_VERSION, version - 1)
    size = struct.pack("IIII12x" if version == 3 else "IIII", SLOT, 1, SLOT, 1)
    slots[number] = SLOTS[version]
    held[number].setsockopt(SOL_PACKET, PACKET_TX_RING, size)
    pages[number] = mmap.mmap(held[number].fileno(), SLOT)
    held[number].bind((device, protocol))


def send_slot(number, data):
    """Sends the frame of the ring, which stays mapped."""
    frame = bytes.fromhex(data)
    header, order, at = slots[number]
    pages[number][at : at + len(frame)] = frame
    values = (SEND_REQUEST, len(frame))
    struct.pack_into(header, pages[number], 0, *(values[index] for index in order))
    held[number].send(b"", socket.MSG_DONTWAIT)


def change_slot(number, offset, data):
    """Overwrites a part of the frame of the ring, which may still wait to be sent."""
    part, at = bytes.fromhex(data), slots[number][2] + offset
    pages[number][at : at + len(part)] = part


def datagrams(number, address, port=0):
    held[number] = socket.socket(family(address), socket.SOCK_DGRAM)
    held[number].setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    held[number].settimeout(PATIENCE)
    held[number].bind((address, port))


def accept_esp(number):
    """Lets the kernel take ESP out of the datagrams that a socket receives (RFC 3948)."""
    held[number].setsockopt(socket.IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP)


def send_to(number, to, port, data):
    held[number].sendto(bytes.fromhex(data), (to, port))


def connect(number, to, port, source=None, patience=PATIENCE):
    held[number] = socket.socket(family(to), socket.SOCK_STREAM)
    held[number].settimeout(patience)
    if source:
        held[number].bind((source, 0))
    held[number].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    held[number].connect((to, port))


def serve(number, address, port):
    held[number] = socket.socket(family(address), socket.SOCK_STREAM)
    held[number].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held[number].settimeout(PATIENCE)
    held[number].bind((address, port))
    held[number].listen()


def accept(number, of):
    held[number] = held[of].accept()[0]
    held[number].settimeout(PATIENCE)


def encrypt(number, nonce):
    frame_tls.encrypt(held[number], bytes.fromhex(nonce))


def send(number, data):
    held[number].sendall(bytes.fromhex(data))


def send_pages(number, data):
    """Sends pages of this process without copying them (MSG_ZEROCOPY); `change_pages` can overwrite them."""
    data = bytes.fromhex(data)
    pages[number] = mmap.mmap(-1, mmap.PAGESIZE * (len(data) // mmap.PAGESIZE + 1))
    pages[number][: len(data)] = data
    held[number].setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
    view = memoryview(pages[number])
    held[number].send(view[: len(data)], MSG_ZEROCOPY)


def change_pages(number, data):
    data = bytes.fromhex(data)
    pages[number][: len(data)] = data


def send_file(number, data):
    """Sends the pages of a file, which `change_file` can overwrite."""
    pages[number] = os.memfd_create("hello")
    os.write(pages[number], bytes.fromhex(data))
    os.sendfile(held[number].fileno(), pages[number], 0, len(data) // 2)


def change_file(number, data):
    os.pwrite(pages[number], bytes.fromhex(data), 0)


def send_ring_pages(number, data):
    """As `send_pages`, by io_uring."""
    data = bytes.fromhex(data)
    pages[number] = mmap.mmap(-1, mmap.PAGESIZE * (len(data) // mmap.PAGESIZE + 1))
    pages[number][: len(data)] = data
    frame_uring.send_zc(held[number], pages[number], len(data))


def open_device(number, device, mode):
    held[number] = Device(files.pop(), device, mode, PATIENCE)


def close(number):
    held.pop(number).close()


def receive(number):
    end = time.monotonic() + PATIENCE
    while True:
        data = held[number].recv(65536)
        if data.startswith(stations.get(number, b"")):
            return data
        if time.monotonic() > end:
            raise TimeoutError


ACTS = {
    act.__name__: act
    for act in (
        packet,
        listen,
        send_frame,
        ring,
        send_slot,
        change_slot,
        datagrams,
        accept_esp,
        send_to,
        connect,
        serve,
        accept,
        frame_tls.has_tls,
        encrypt,
        send,
        send_pages,
        change_pages,
        send_file,
        change_file,
        frame_uring.has_send_zc,
        send_ring_pages,
        open_device,
        close,
        receive,
    )
}


def main(user, devices=0):
    files.extend(opened(devices))
    if user:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    for line in sys.stdin:
        order = json.loads(line)
        number = order.pop("socket")
        result = {"errno": None, "data": None}
        try:
            data = ACTS[order.pop("do")](number, **order)
            result["data"] = data.hex() if data is not None else None
        except TimeoutError as error:
            result["errno"] = error.errno or errno.ETIMEDOUT
        except OSError as error:
            result["errno"] = error.errno
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
