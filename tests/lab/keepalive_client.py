"""A registry client that keeps its connection open.

    keepalive_client.py HOST CA PATH   requests PATH for each line of standard input on one connection; prints the status or the error
"""

import http.client
import ssl
import sys

TIMEOUT = 5


def main(host, ca, path):
    context = ssl.create_default_context(cafile=ca)
    server = http.client.HTTPSConnection(host, context=context, timeout=TIMEOUT)
    server.connect()
    # Never reconnect.
    server.auto_open = 0
    for _ in sys.stdin:
        try:
            server.request("GET", path)
            answer = server.getresponse()
            answer.read()
            print(answer.status, flush=True)
        except (OSError, http.client.HTTPException) as error:
            print(repr(error), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
