"""Receives OpenTelemetry log records over HTTP with OpenTelemetry's own definitions, and writes what they say.

Arguments: a port of 127.0.0.1, and the file that is there once it listens, and gets one line for each record. A field that the definitions do not have is an error.
"""

import http.server
import sys

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as service


def value(any_value):
    kind = any_value.WhichOneof("value")
    return str(getattr(any_value, kind))


def attributes(owner):
    return {one.key: value(one.value) for one in owner.attributes}


def lines(request):
    for resource in request.resource_logs:
        name = attributes(resource.resource)["service.name"]
        for scope in resource.scope_logs:
            for record in scope.log_records:
                fields = attributes(record)
                keys = ["destination.address", "destination.port", "egress_enforcer.reason", "process.executable.name", "egress_enforcer.sequence"]
                words = [name, record.severity_text, record.event_name]
                yield " ".join(words + [fields.get(key, "-") for key in keys])


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        assert self.path == "/v1/logs" and self.headers["content-type"] == "application/json"
        request = json_format.Parse(body, service.ExportLogsServiceRequest())
        with open(sys.argv[2], "a") as out:
            out.writelines(line + "\n" for line in lines(request))
        answer = json_format.MessageToJson(service.ExportLogsServiceResponse()).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
open(sys.argv[2], "a").close()
server.serve_forever()
