"""Server reflection, so that grpcurl and ghz need no proto files: v1, and v1alpha for older clients."""

from __future__ import annotations

from collections.abc import Sequence

import grpc
import grpc.aio
from google.protobuf import descriptor_pool, text_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2 as pb
from grpc_reflection.v1alpha.reflection import aio
from grpc_reflection.v1alpha.reflection_pb2_grpc import add_ServerReflectionServicer_to_server

V1ALPHA_SERVICE_NAME = "grpc.reflection.v1alpha.ServerReflection"
"""The service that the library ships."""
V1_SERVICE_NAME = "grpc.reflection.v1.ServerReflection"
"""The same service under its present name; the messages are the same on the wire."""


def add_reflection(server: grpc.aio.Server, service_names: Sequence[str]) -> None:
    """Adds both versions of the service to `server`; they list `service_names` and themselves."""
    _describe_v1()
    names = (*service_names, V1_SERVICE_NAME, V1ALPHA_SERVICE_NAME)
    servicer = aio.ReflectionServicer(names)
    add_ServerReflectionServicer_to_server(servicer, server)
    method = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=pb.ServerReflectionRequest.FromString,
        response_serializer=pb.ServerReflectionResponse.SerializeToString,
    )
    handler = grpc.method_handlers_generic_handler(V1_SERVICE_NAME, {"ServerReflectionInfo": method})
    server.add_generic_rpc_handlers((handler,))


def _describe_v1() -> None:
    """Makes the v1 service describable: its file is that of v1alpha under another package."""
    pool = descriptor_pool.Default()
    proto = FileDescriptorProto()
    pb.DESCRIPTOR.CopyToProto(proto)
    # A file that is already there with the same content is no conflict.
    pool.AddSerializedFile(text_format.Parse(_renamed(text_format.MessageToString(proto)), FileDescriptorProto()).SerializeToString())


def _renamed(text: str) -> str:
    return text.replace("reflection.v1alpha", "reflection.v1").replace("reflection/v1alpha", "reflection/v1")
