"""A registry client that keeps its connection open.

    keepalive_client.py HOST CA PATH [ADDRESS]   requests PATH for each empty line of standard input on one connection; prints the
                                                 status or the error. For other lines it prints the connection's counters.
"""

import http.client
import socket
import ssl
import struct
import sys

TIMEOUT = 5
# Offsets in struct tcp_info of linux/tcp.h.
TOTAL_RETRANS, BYTES_ACKED = 100, 120


def counters(connection):
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 136)
    sent, received = struct.unpack_from("=QQ", info, BYTES_ACKED)
    return f"{sent} {received} {struct.unpack_from('=I', info, TOTAL_RETRANS)[0]}"


def main(host, ca, path, address=None):
    context = ssl.create_default_context(cafile=ca)
    server = http.client.HTTPSConnection(host, context=context, timeout=TIMEOUT)
    connection = socket.create_connection((address or host, server.port), TIMEOUT)
    server.sock = context.wrap_socket(connection, server_hostname=host)
    # Never reconnect.
    server.auto_open = 0
    for line in sys.stdin:
        if line.strip():
            print(counters(server.sock), flush=True)
            continue
        try:
            server.request("GET", path)
            answer = server.getresponse()
            answer.read()
            print(answer.status, flush=True)
        except (OSError, http.client.HTTPException) as error:
            print(repr(error), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
