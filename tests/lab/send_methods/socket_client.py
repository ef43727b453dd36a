"""Keeps TCP sockets open and performs commands on them.

Each line of standard input is {"do", "socket", ...}; the answer is a line {"errno", "peer"}: the result of the call, and the socket's
address as the server sees it. Bytes are in hexadecimal.
"""

import ctypes
import json
import os
import socket
import struct
import sys

PORT = 443
#: Timeout of a call in seconds.
PATIENCE = 20
#: Data offset of a TCP header without options; PSH and ACK (RFC 9293, section 3.1).
TCP_HEADER = struct.pack("!HHIIBBHHH", 40000, PORT, 1, 1, 5 << 4, 0x18, 1024, 0, 0)
#: From linux/tcp.h; not in Python's socket module.
TCP_TX_DELAY = 37

libc = ctypes.CDLL(None, use_errno=True)
held = {}
files = {}


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def opened(number, to):
    stream = socket.socket(family(to), socket.SOCK_STREAM)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", PATIENCE, 0))
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    held[number] = stream
    return stream


def connect(number, to):
    opened(number, to).connect((to, PORT))


def fast_open(number, to, data):
    opened(number, to).sendto(bytes.fromhex(data), socket.MSG_FASTOPEN, (to, PORT))


def disconnect(number):
    """Disconnects the socket: connect(2) with AF_UNSPEC."""
    nowhere = struct.pack("H14x", socket.AF_UNSPEC)
    if libc.connect(held[number].fileno(), nowhere, len(nowhere)) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def reconnect(number, to):
    disconnect(number)
    held[number].connect((to, PORT))


def fast_open_reconnect(number, to, data):
    disconnect(number)
    held[number].sendto(bytes.fromhex(data), socket.MSG_FASTOPEN, (to, PORT))


def send(number, data):
    held[number].sendall(bytes.fromhex(data))


def send_file(number, data):
    """Sends the pages of a file, which `change` can overwrite."""
    files[number] = os.memfd_create("hello")
    os.write(files[number], bytes.fromhex(data))
    os.sendfile(held[number].fileno(), files[number], 0, len(data) // 2)


def change(number, data):
    """Overwrites the file that `send_file` sent."""
    os.pwrite(files[number], bytes.fromhex(data), 0)


def delay(number, micros):
    """Delays the departure of all segments by some microseconds (TCP_TX_DELAY)."""
    held[number].setsockopt(socket.IPPROTO_TCP, TCP_TX_DELAY, micros)


def send_urgent(number, data):
    held[number].send(bytes.fromhex(data), socket.MSG_OOB)


def send_raw(number, to, data):
    with socket.socket(family(to), socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
        raw.sendto(TCP_HEADER + bytes.fromhex(data), (to, 0))


def abort(number):
    """Closes without sending pending data (socket(7), SO_LINGER)."""
    stream = held.pop(number)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.close()


ACTS = {
    act.__name__: act
    for act in (
        connect,
        fast_open,
        reconnect,
        fast_open_reconnect,
        send,
        send_file,
        change,
        delay,
        send_urgent,
        send_raw,
        abort,
    )
}


def peer(number):
    if number not in held:
        return None
    host, port = held[number].getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def main():
    for line in sys.stdin:
        order = json.loads(line)
        number = order.pop("socket")
        result = {"errno": None}
        try:
            ACTS[order.pop("do")](number, **order)
        except OSError as error:
            result["errno"] = error.errno
        result["peer"] = peer(number)
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
