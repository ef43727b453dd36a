"""TCP without a socket, from an address of which the network stack of this machine knows nothing."""

import select
import socket
import struct

SYN, RST, ACK = 2, 4, 16
ETH_P_ALL = 3
PORTS = range(20000, 60000)
#: Seconds for the answers to a batch of SYNs.
PATIENCE = 1


def checksum(data):
    """The checksum of RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


class Connection:
    """Port and sequence numbers of an established connection: the next one to send, and the next one expected."""

    def __init__(self, port, sequence, expected):
        self.port, self.sequence, self.expected = port, sequence, expected


class Stations:
    """The end of many connections to port 443 of one server."""

    #: Bytes of the headers of Ethernet, IPv4 and TCP.
    HEADERS = 14 + 20 + 20

    def __init__(self, device, mac, gateway, source, to):
        self.ethernet = bytes.fromhex(gateway) + bytes.fromhex(mac) + b"\x08\0"
        self.addresses = socket.inet_aton(source) + socket.inet_aton(to)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.bind((device, ETH_P_ALL))
        self.socket.setblocking(False)
        self.mac = bytes.fromhex(mac)
        self.used = 0
        self.open = []

    def frame(self, port, flags, sequence, acknowledged, payload=b""):
        header = struct.pack("!HHIIBBHHH", port, 443, sequence, acknowledged, 5 << 4, flags, 65535, 0, 0)
        pseudo = self.addresses + struct.pack("!HH", 6, len(header) + len(payload))
        total = checksum(pseudo + header + payload)
        header = header[:16] + struct.pack("!H", total) + header[18:]
        ip = struct.pack("!BBHIBBH", 0x45, 0, 40 + len(payload), 0, 64, 6, 0) + self.addresses
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        return self.ethernet + ip + header + payload

    def segment(self, connection, payload):
        return self.frame(connection.port, ACK, connection.sequence, connection.expected, payload)

    def empty(self, payload):
        """A frame of the same length as the others."""
        return bytes(self.HEADERS) + payload

    def connected(self, count):
        """Returns up to `count` new connections."""
        ports = [PORTS[(self.used + index) % len(PORTS)] for index in range(count)]
        # Ports come again; sequence numbers go on (RFC 9293 section 3.4.1).
        first = (1000 + self.used // len(PORTS) * 100000) & 0xFFFFFFFF
        self.used += count
        for port in ports:
            self.socket.send(self.frame(port, SYN, first, 0))
        waiting, self.open = set(ports), []
        while waiting and select.select([self.socket], [], [], PATIENCE)[0]:
            answer = self.socket.recv(2048)
            if answer[:6] != self.mac or len(answer) < self.HEADERS or answer[47] != SYN | ACK:
                continue
            port, sequence = struct.unpack_from("!H", answer, 36)[0], struct.unpack_from("!I", answer, 38)[0]
            if port in waiting:
                waiting.remove(port)
                connection = Connection(port, first + 1, sequence + 1 & 0xFFFFFFFF)
                self.socket.send(self.segment(connection, b""))
                self.open.append(connection)
        return self.open

    def reset(self, payload):
        """Ends all connections, whether the server has received `payload` or not."""
        for connection in self.open:
            for sequence in (connection.sequence + len(payload), connection.sequence):
                self.socket.send(self.frame(connection.port, RST, sequence, 0))
