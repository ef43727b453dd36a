"""A client that keeps its socket to a DNS server, as nginx, c-ares and dnsmasq do.

    resolver_client.py SERVER NAME   asks for NAME's IPv4 address for each line of standard input, and connects to port 443 of it at once;
                                     prints the address and "open", or what failed
"""

import socket
import struct
import sys

TIMEOUT = 5


def query(name):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", 1, 1)


def main(server, name):
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    asker = socket.socket(family, socket.SOCK_DGRAM)
    asker.settimeout(TIMEOUT)
    asker.connect((server, 53))
    print("connected", flush=True)
    for _ in sys.stdin:
        asker.send(query(name))
        # The only address of the lab's answer is the end of it.
        address = socket.inet_ntoa(asker.recv(4096)[-4:])
        try:
            socket.create_connection((address, 443), TIMEOUT).close()
            print(address, "open", flush=True)
        except OSError as error:
            print(address, error.strerror, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
