"""Sends pages that another process changes all the time, back and forth.

    race_pages.py {"do": "stream" | "frames" | "segments", "count", "data", "at", "byte", ...}

Byte `at` of `data` is the one that changes, to `byte`. Prints how often it was sent. Bytes are in hexadecimal.
"""

import contextlib
import json
import mmap
import os
import select
import signal
import socket
import struct
import sys
import time

from frame_client import MSG_ZEROCOPY, PACKET_TX_RING, PACKET_VERSION, SEND_REQUEST, SO_ZEROCOPY, SOL_PACKET, family
from race_segments import Stations

#: Connections that are open at the same time, few enough for the connections of one device whose ClientHello is not acknowledged.
BATCH = 32
#: Seconds in which they have to be established.
PATIENCE = 3
#: Seconds behind a batch, in which the other process can run.
PAUSE = 0.001
#: The ring of a packet socket: size of a frame with its header, and number.
SLOT, SLOTS = 512, 256
#: Where the frame begins in a slot (`TPACKET2_HDRLEN` without the address).
FRAME_AT = 32
TPACKET_V2 = 1
ABORT = struct.pack("ii", 1, 0)


@contextlib.contextmanager
def changing(pages, where, values):
    """Lets a process write both values in turn until the end of the block."""
    parent = os.getpid()
    child = os.fork()
    if not child:
        first, second = values
        while os.getppid() == parent:
            for _ in range(1000):
                pages[where] = second
                pages[where] = first
        os._exit(0)
    try:
        while pages[where] == values[0]:
            os.sched_yield()
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def connecting(to):
    client = socket.socket(family(to), socket.SOCK_STREAM)
    client.setblocking(False)
    client.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
    # Closing resets the connection, which then leaves nothing behind.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
    client.connect_ex((to, 443))
    return client


def connected(clients):
    """Yields the clients in the order in which they are connected."""
    poll = select.poll()
    waiting = {client.fileno(): client for client in clients}
    for number in waiting:
        poll.register(number, select.POLLOUT)
    while waiting:
        ready = poll.poll(PATIENCE * 1000)
        if not ready:
            return
        for number, events in ready:
            poll.unregister(number)
            client = waiting.pop(number)
            if not events & select.POLLERR:
                yield client


def stream(to, count, data, at, byte):
    """Sends a ClientHello on each of `count` connections, without copying it (MSG_ZEROCOPY)."""
    pages = mmap.mmap(-1, mmap.PAGESIZE)
    pages[: len(data)] = data
    view = memoryview(pages)[: len(data)]
    sent = 0
    with changing(pages, at, (data[at], byte)):
        while sent < count:
            clients = [connecting(to) for _ in range(BATCH)]
            # One after another, so that they wait in the queue.
            for client in list(connected(clients)):
                client.send(view, MSG_ZEROCOPY)
                sent += 1
            time.sleep(PAUSE)
            for client in clients:
                client.close()
    return sent


class Ring:
    """A packet socket with a ring of frames to send (packet(7), PACKET_TX_RING)."""

    def __init__(self, device):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V2)
        size = SLOT * SLOTS
        blocks = struct.pack("IIII", mmap.PAGESIZE, size // mmap.PAGESIZE, SLOT, SLOTS)
        self.socket.setsockopt(SOL_PACKET, PACKET_TX_RING, blocks)
        self.pages = mmap.mmap(self.socket.fileno(), size)
        self.socket.bind((device, socket.ntohs(0x0800)))
        self.next = 0

    def put(self, slot, frame):
        """Puts a frame into a slot."""
        begin = slot * SLOT + FRAME_AT
        self.pages[begin : begin + len(frame)] = frame

    def changing(self, at, values):
        """Changes byte `at` of the frames in all slots."""
        both = [bytes([value]) * SLOTS for value in values]
        return changing(self.pages, slice(FRAME_AT + at, None, SLOT), both)

    def send(self, length, count):
        """Sends the frames of the next slots; returns how often they were judged. One that is denied keeps its slot, and is sent again."""
        judged = 0
        for _ in range(count):
            self.start(length)
            judged += 1
            while self.pages[self.at(self.next)] == SEND_REQUEST:
                judged += not self.flush()
            self.next = (self.next + 1) % SLOTS
        return judged

    def try_send(self, length):
        """Sends the frame of the next slot once; returns whether it passes. The slot is then free in any case."""
        self.start(length)
        passes = self.flush()
        if passes:
            self.next = (self.next + 1) % SLOTS
        else:
            self.pages[self.at(self.next)] = 0
        return passes

    def at(self, slot):
        return slot * SLOT

    def start(self, length):
        """Marks the next slot, once the kernel has let go of it."""
        at = self.at(self.next)
        while self.pages[at]:
            os.sched_yield()
        struct.pack_into("II", self.pages, at, SEND_REQUEST, length)

    def flush(self):
        try:
            self.socket.send(b"", socket.MSG_DONTWAIT)
            return True
        except OSError:
            return False


def frames(device, count, data, at, byte):
    """Sends a frame by a ring of which each slot has a copy."""
    ring = Ring(device)
    for slot in range(SLOTS):
        ring.put(slot, data)
    with ring.changing(at, (data[at], byte)):
        return ring.send(len(data), count)


def segments(device, count, data, at, byte, **ends):
    """Sends a ClientHello on each of `count` connections without a socket, by a ring."""
    ring, stations = Ring(device), Stations(device, **ends)
    at += stations.HEADERS
    judged = 0
    for slot in range(SLOTS):
        ring.put(slot, stations.empty(data))
    with ring.changing(at, (data[at - stations.HEADERS], byte)):
        while judged < count:
            for connection in stations.connected(BATCH):
                frame = stations.segment(connection, data)
                # What differs between connections are the headers: the byte stays the other process's.
                ring.put(ring.next, frame[: stations.HEADERS])
                ring.try_send(len(frame))
                judged += 1
            time.sleep(PAUSE)
            stations.reset(data)
    return judged


ACTS = {act.__name__: act for act in (stream, frames, segments)}

if __name__ == "__main__":
    order = json.loads(sys.argv[1])
    order["data"] = bytes.fromhex(order["data"])
    print(ACTS[order.pop("do")](**order))
