"""A registry client on TLS stacks that offer a post-quantum group.

    post_quantum_client.py boringssl METHOD PATH HOST CA   ClientHello of Chrome, by curl_cffi
    post_quantum_client.py openssl METHOD PATH HOST CA     ClientHello of OpenSSL 4, by pyOpenSSL

Prints the status. A POST sends data.
"""

import socket
import sys

BROWSER = "chrome131"
TIMEOUT = 10


def main(stack, method, path, host, ca):
    data = b"what the device knows" if method == "POST" else None
    send = {"boringssl": boringssl, "openssl": openssl}[stack]
    print(send(method, path, host, ca, data))


def boringssl(method, path, host, ca, data):
    from curl_cffi import requests

    url = f"https://{host}{path}"
    return requests.request(method, url, data=data, verify=ca, impersonate=BROWSER, timeout=TIMEOUT).status_code


def openssl(method, path, host, ca, data):
    from OpenSSL import SSL

    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.load_verify_locations(ca)
    context.set_verify(SSL.VERIFY_PEER)
    stream = SSL.Connection(context, socket.create_connection((host, 443)))
    stream.set_tlsext_host_name(host.encode())
    stream.set_connect_state()
    length = len(data or b"")
    request = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    stream.sendall(request.encode() + (data or b""))
    return int(stream.recv(4096).split()[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
