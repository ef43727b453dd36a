"""Tries every method by which a socket can send a packet to an address.

Reads a JSON list of {"method", "to", "via"} from standard input and prints a list of {"errno", "milliseconds"}. `to` is
the final destination of the packet, `via` an intermediate or apparent one. With two arguments, paths, it first opens the
sockets of the methods that begin with "early", then creates the first file and waits for the second.
"""

import errno
import json
import os
import sys
import time

from common import EARLY, SEND_METHODS

import headers  # noqa: F401, registers its methods
import opened_early  # noqa: F401
import sockets  # noqa: F401


def attempt(act):
    start = time.monotonic()
    number = None
    try:
        act()
    except StopIteration:
        pass
    except TimeoutError as error:
        number = error.errno or errno.ETIMEDOUT
    except OSError as error:
        number = error.errno
    milliseconds = (time.monotonic() - start) * 1000
    return {"errno": number, "milliseconds": milliseconds}


def main(tries, ready=None, go=None):
    begun = {}
    for at, each in enumerate(tries):
        if each["method"] in EARLY:
            begun[at] = EARLY[each["method"]](each["to"], each["via"])
            next(begun[at])
    if ready:
        open(ready, "w").close()
        while not os.path.exists(go):
            time.sleep(0.005)
    results = []
    for at, each in enumerate(tries):
        if at in begun:
            results.append(attempt(lambda: next(begun[at])))
        else:
            results.append(attempt(lambda: SEND_METHODS[each["method"]](each["to"], each["via"])))
    print(json.dumps(results))


if __name__ == "__main__":
    main(json.load(sys.stdin), *sys.argv[1:])
