"""A network device in the hands of a process (the kernel's Documentation/networking/tuntap.rst)."""

import fcntl
import os
import select
import struct

TUNSETIFF, IFF_TUN, IFF_TAP, IFF_NO_PI = 0x400454CA, 1, 2, 0x1000


def opened(number):
    """Opens the file that everybody may open where udev sets its mode, a number of times."""
    return [os.open("/dev/net/tun", os.O_RDWR) for _ in range(number)]


class Device:
    """What a socket's methods are to a socket."""

    def __init__(self, fd, name, mode, patience):
        self.fd = fd
        self.patience = patience
        flags = (IFF_TUN if mode == "tun" else IFF_TAP) | IFF_NO_PI
        fcntl.ioctl(self.fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))

    def sendall(self, data):
        os.write(self.fd, data)

    def recv(self, size):
        if not select.select([self.fd], [], [], self.patience)[0]:
            raise TimeoutError
        return os.read(self.fd, size)
