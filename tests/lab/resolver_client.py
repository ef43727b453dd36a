"""A client that keeps a connected socket to a DNS server, as nginx, c-ares and dnsmasq do.

    resolver_client.py SERVER NAME   queries NAME's IPv4 address for each line of standard input and immediately connects to its port 443;
                                     prints the address, and "open" or the error
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
    client = socket.socket(family, socket.SOCK_DGRAM)
    client.settimeout(TIMEOUT)
    client.connect((server, 53))
    print("connected", flush=True)
    for _ in sys.stdin:
        client.send(query(name))
        # The only address is at the end of the lab's answer.
        address = socket.inet_ntoa(client.recv(4096)[-4:])
        try:
            socket.create_connection((address, 443), TIMEOUT).close()
            print(address, "open", flush=True)
        except OSError as error:
            print(address, error.strerror, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
