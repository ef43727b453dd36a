"""A registry's client that keeps its connection.

    kept.py HOST CA PATH   gets PATH for each line of standard input, all on one connection; prints the status or what failed
"""

import http.client
import ssl
import sys

TIMEOUT = 5


def main(host, ca, path):
    context = ssl.create_default_context(cafile=ca)
    server = http.client.HTTPSConnection(host, context=context, timeout=TIMEOUT)
    server.connect()
    # Another connection is another test.
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
