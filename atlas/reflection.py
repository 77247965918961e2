"""Server reflection, so that grpcurl and ghz need no proto files: v1, and v1alpha for older clients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
import grpc.aio
from google.protobuf import descriptor_pool, text_format
from google.protobuf.descriptor import FileDescriptor
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
    servicer = aio.ReflectionServicer(names, pool=_Pool(descriptor_pool.Default()))
    add_ServerReflectionServicer_to_server(servicer, server)
    method = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=pb.ServerReflectionRequest.FromString,
        response_serializer=pb.ServerReflectionResponse.SerializeToString,
    )
    handler = grpc.method_handlers_generic_handler(V1_SERVICE_NAME, {"ServerReflectionInfo": method})
    server.add_generic_rpc_handlers((handler,))


class _Pool:
    """A descriptor pool that answers as reflection clients expect, which the compiled one alone does not."""

    def __init__(self, pool: descriptor_pool.DescriptorPool) -> None:
        self._pool = pool

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def FindFileByName(self, name: str) -> _File:  # noqa: N802 - named by the library
        """Finds a file; KeyError if there is none."""
        return _File(self._pool.FindFileByName(name))

    def FindFileContainingSymbol(self, symbol: str) -> _File:  # noqa: N802 - named by the library
        """Finds the file of a message, enum, field, service or method; KeyError if there is none."""
        try:
            return _File(self._pool.FindFileContainingSymbol(symbol))
        except KeyError:
            # The compiled pool knows no methods, and ghz and `grpcurl describe` ask for them.
            service_name, _, method_name = symbol.rpartition(".")
            return _File(self._pool.FindServiceByName(service_name).methods_by_name[method_name].containing_service.file)


class _File:
    """A file whose fields carry their JSON names: Python's generated code leaves them out, and clients would print others."""

    def __init__(self, file: FileDescriptor) -> None:
        self._file = file
        self.name = file.name

    @property
    def dependencies(self) -> list[_File]:
        """The files that it imports."""
        return [_File(file) for file in self._file.dependencies]

    def CopyToProto(self, proto: FileDescriptorProto) -> None:  # noqa: N802 - named by the library
        """Describes the file."""
        self._file.CopyToProto(proto)
        messages = list(proto.message_type)
        while messages:
            message = messages.pop()
            messages.extend(message.nested_type)
            for field in message.field:
                field.json_name = _json_name(field.name)


def _json_name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def _describe_v1() -> None:
    """Makes the v1 service describable: its file is that of v1alpha under another package."""
    pool = descriptor_pool.Default()
    proto = FileDescriptorProto()
    pb.DESCRIPTOR.CopyToProto(proto)
    # A file that is already there with the same content is no conflict.
    pool.AddSerializedFile(text_format.Parse(_renamed(text_format.MessageToString(proto)), FileDescriptorProto()).SerializeToString())


def _renamed(text: str) -> str:
    return text.replace("reflection.v1alpha", "reflection.v1").replace("reflection/v1alpha", "reflection/v1")
