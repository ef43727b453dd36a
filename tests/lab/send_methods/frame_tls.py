"""TLS in the kernel (kTLS, Documentation/networking/tls.rst)."""

import socket
import struct

#: linux/tcp.h, linux/socket.h and linux/tls.h.
TCP_ULP, SOL_TLS, TLS_TX = 31, 282, 1
TLS_1_2, AES_GCM_128 = 0x0303, 51


def encrypt(stream, nonce):
    """Makes a connected socket send records of TLS 1.2; the first one has this explicit nonce (RFC 5288 section 3)."""
    stream.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
    key, salt, sequence = bytes(16), bytes(4), bytes(8)
    keys = struct.pack("=HH", TLS_1_2, AES_GCM_128) + nonce + key + salt + sequence
    stream.setsockopt(SOL_TLS, TLS_TX, keys)


def has_tls(number):
    """Tries it with a connection over the loopback device."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.socket() as stream:
            stream.connect(server.getsockname())
            encrypt(stream, bytes(8))
