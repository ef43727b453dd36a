"""Sends by io_uring (io_uring(7)) without copying, which neither Python nor its standard library can."""

import ctypes
import mmap
import os
import struct

#: Numbers of system calls, of the same value on all machines, and of linux/io_uring.h.
SETUP, ENTER, REGISTER = 425, 426, 427
GETEVENTS, REGISTER_PROBE = 1, 8
SEND_ZC, SUPPORTED = 47, 1
SQES_AT = 0x10000000
OPERATIONS = 64

libc = ctypes.CDLL(None, use_errno=True)
rings = []


def call(number, *arguments):
    result = libc.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "io_uring")
    return result


def address(memory):
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def set_up():
    """Returns a ring's descriptor and `struct io_uring_params`."""
    params = bytearray(120)
    fd = call(SETUP, 4, ctypes.c_void_p(address(params)))
    return fd, params


def has_send_zc(number):
    """Fails unless the kernel has the operation."""
    fd, _params = set_up()
    probe = bytearray(16 + 8 * OPERATIONS)
    call(REGISTER, fd, REGISTER_PROBE, ctypes.c_void_p(address(probe)), OPERATIONS)
    os.close(fd)
    if not probe[16 + 8 * SEND_ZC + 2] & SUPPORTED:
        raise OSError(95, "the operation")


def send_zc(socket, pages, length):
    """Sends the first bytes of `pages`, and leaves the ring open: the kernel may still read them."""
    fd, params = set_up()
    entries, completions = struct.unpack_from("II", params)
    tail_at, array_at = struct.unpack_from("I", params, 44)[0], struct.unpack_from("I", params, 64)[0]
    cq_tail_at, cqes_at = struct.unpack_from("I", params, 84)[0], struct.unpack_from("I", params, 100)[0]
    size = max(array_at + 4 * entries, cqes_at + 16 * completions)
    ring = mmap.mmap(fd, size)
    requests = mmap.mmap(fd, 64 * entries, offset=SQES_AT)
    requests[:64] = struct.pack(
        "=BBHiQQII32x", SEND_ZC, 0, 0, socket.fileno(), 0, address(pages), length, 0
    )
    struct.pack_into("I", ring, array_at, 0)
    struct.pack_into("I", ring, tail_at, 1)
    call(ENTER, fd, 1, 1, GETEVENTS, None, 0)
    if not struct.unpack_from("I", ring, cq_tail_at)[0]:
        raise OSError(5, "no completion")
    result = struct.unpack_from("i", ring, cqes_at + 8)[0]
    if result < 0:
        raise OSError(-result, "SEND_ZC")
    rings.append((fd, ring, requests))
