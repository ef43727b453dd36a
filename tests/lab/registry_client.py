"""A registry client on Python's ssl module.

    registry_client.py push HOST CA         starts an upload and sends a part of it; prints the last status
    registry_client.py pull HOST CA COUNT   requests /v2/ repeatedly, each time with a new lookup and connection;
                                            prints {"answered": …, "failed": {error: count}}
"""

import collections
import http.client
import json
import ssl
import sys
from urllib.parse import urlsplit

TIMEOUT = 10


def main(command, host, ca, count="1"):
    context = ssl.create_default_context(cafile=ca)
    if command == "push":
        print(push(host, context))
    else:
        print(json.dumps(pull(host, context, int(count))))


def push(host, context):
    server = http.client.HTTPSConnection(host, context=context, timeout=TIMEOUT)
    server.request("POST", "/v2/stolen/blobs/uploads/")
    begun = server.getresponse()
    begun.read()
    upload = urlsplit(begun.getheader("Location") or "/")
    headers = {"Content-Type": "application/octet-stream"}
    server.request("PATCH", f"{upload.path}?{upload.query}", b"what the device knows", headers)
    return server.getresponse().status


def pull(host, context, count):
    answered, failed = 0, collections.Counter()
    for _ in range(count):
        server = http.client.HTTPSConnection(host, context=context, timeout=TIMEOUT)
        try:
            server.request("GET", "/v2/", headers={"Connection": "close"})
            server.getresponse().read()
            answered += 1
        except OSError as error:
            failed[str(error)] += 1
        finally:
            server.close()
    return {"answered": answered, "failed": failed}


if __name__ == "__main__":
    main(*sys.argv[1:])
