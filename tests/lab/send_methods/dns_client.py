"""Queries a DNS server, and looks up keys in a pinned BPF map as soon as an answer arrives.

Reads {"map", "questions"} from standard input and prints a list of {"errno", "replies", "found"}, one for each question:
{"to", "method", "query", "rounds", "replies", "keys"}. In each of `rounds` rounds it sends `query` from a new socket with the
method "connected", "unconnected" or "tcp", and receives up to `replies` messages; after the first it looks up `keys`.
Binary values are in hexadecimal. With "alone", {"address", "answer"}, it first becomes an unprivileged user in new user and
network namespaces, adds `address` to the loopback interface and answers every query there with `answer`.
With "wait", a directory, it connects the sockets of all questions, creates the file `ready` there, and sends once a file `go` exists.
A question's "then" is another server that its socket connects or sends to, too, before the query.
"""

import ctypes
import json
import os
import platform
import socket
import struct
import subprocess
import sys
import threading
import time

BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
MAP_LOOKUP = 1
OBJ_GET = 7
PATIENCE = 3.0
# The server of the private network answers every query; a busy emulated machine takes seconds for one now and then.
PRIVATE_PATIENCE = 30.0
NOBODY = 65534
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
PR_SET_DUMPABLE = 4

libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attributes):
    return libc.syscall(BPF, command, ctypes.c_char_p(attributes), len(attributes))


def opened(path):
    place = ctypes.create_string_buffer(os.fsencode(path))
    descriptor = bpf(OBJ_GET, struct.pack("QII", ctypes.addressof(place), 0, 0))
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), f"open the map {path}")
    return descriptor


def has(descriptor, key):
    key = ctypes.create_string_buffer(key, len(key))
    value = ctypes.create_string_buffer(64)
    attributes = struct.pack("IIQQQ", descriptor, 0, ctypes.addressof(key), ctypes.addressof(value), 0)
    return bpf(MAP_LOOKUP, attributes) == 0


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def connected(question):
    kind = socket.SOCK_STREAM if question["method"] == "tcp" else socket.SOCK_DGRAM
    client = socket.socket(family_of(question["to"]), kind)
    client.settimeout(PATIENCE)
    if question["method"] != "unconnected":
        client.connect((question["to"], 53))
    return client


def ask(question, descriptor, keys, client):
    """Sends one query; returns the number of messages, and which keys existed after the first."""
    found = []
    replies = 0
    query = bytes.fromhex(question["query"])
    then = question["then"]
    with client:
        if question["method"] == "unconnected":
            for server in [question["to"], then] if then else [question["to"]]:
                client.sendto(query, (server, 53))
        else:
            if then:
                client.connect((then, 53))
            client.send(query)
        while replies < question["replies"]:
            try:
                client.recv(4096)
            except TimeoutError:
                break
            if replies == 0:
                found = [has(descriptor, key) for key in keys]
            replies += 1
    return replies, found


def outcome(question, descriptor, client):
    keys = [bytes.fromhex(key) for key in question["keys"]]
    result = {"errno": None, "replies": 0, "found": []}
    try:
        for _ in range(question["rounds"]):
            replies, result["found"] = ask(question, descriptor, keys, client or connected(question))
            client = None
            result["replies"] += replies
    except OSError as error:
        result["errno"] = error.errno
    return result


def enter_private_network(address, answer):
    global PATIENCE
    PATIENCE = PRIVATE_PATIENCE
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "make namespaces")
    # Map to root inside, or `ip` would lose its capabilities on exec.
    libc.prctl(PR_SET_DUMPABLE, 1)
    with open("/proc/self/uid_map", "w") as users:
        users.write(f"0 {NOBODY} 1")
    # Duplicate address detection would delay bind().
    at_once = " nodad" if ":" in address else ""
    for line in ["link set lo up", f"address add {address} dev lo{at_once}"]:
        subprocess.run(["ip", *line.split()], check=True)
    server = socket.socket(family_of(address), socket.SOCK_DGRAM)
    server.bind((address, 53))

    def serve():
        while True:
            _, client = server.recvfrom(4096)
            server.sendto(answer, client)

    threading.Thread(target=serve, daemon=True).start()


def main():
    order = json.load(sys.stdin)
    descriptor = opened(order["map"])
    wait = order.get("wait")
    flags = os.open(wait, os.O_PATH | os.O_DIRECTORY) if wait else None
    alone = order.get("alone")
    if alone:
        enter_private_network(alone["address"], bytes.fromhex(alone["answer"]))
    questions = order["questions"]
    early = [None] * len(questions)
    if wait:
        early = [connected(question) for question in questions]
        os.close(os.open("ready", os.O_CREAT | os.O_WRONLY, dir_fd=flags))
        while "go" not in os.listdir(f"/proc/self/fd/{flags}"):
            time.sleep(0.005)
    print(json.dumps([outcome(question, descriptor, client) for question, client in zip(questions, early)]))


if __name__ == "__main__":
    main()
