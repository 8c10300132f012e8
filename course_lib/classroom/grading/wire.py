"""What crosses the border: plain data as JSON, the numbers of tensors behind it. Nothing is unpickled or evaluated."""

import json
import math
import socket
import struct
import time
from typing import Any

import torch
from torch import Tensor

DTYPES = {str(dtype)[6:]: dtype for dtype in (
    torch.float64, torch.float32, torch.float16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8,
    torch.bool)}  # fmt: skip
DEPTH, HEADER, BYTES = 20, 1 << 22, 32 << 20
"""How deep, and how many bytes of text and of numbers, one message may be."""


class Foreign:
    """Stands for a value that is no plain data; its class has the name of that value's class."""


def foreign(name: str) -> Foreign:
    """A value of a class with this name, which can do nothing."""
    value: Foreign = type("".join(c for c in name if c.isidentifier())[:60] or "object", (Foreign,), {})()
    return value


def _encode(value: Any, tensors: list[bytes], depth: int = 0) -> Any:
    if depth > DEPTH:
        raise ValueError("nested too deeply")
    kind = type(value)
    if value is None or kind in (bool, str):
        return value
    if kind in (int, float):
        return {kind.__name__: repr(value)}
    if kind in (list, tuple):
        return {kind.__name__: [_encode(part, tensors, depth + 1) for part in value]}
    if kind is dict:
        pairs = [[_encode(part, tensors, depth + 1) for part in pair] for pair in value.items()]
        return {"dict": pairs}
    if isinstance(value, Tensor):
        dtype = str(value.dtype)[6:]
        if dtype not in DTYPES or value.layout != torch.strided or value.numel() * value.element_size() > BYTES:
            return {"foreign": f"Tensor_of_{dtype}"}
        plain = value.detach().cpu().resolve_neg()
        tensors.append(plain.numpy().tobytes())
        return {"tensor": [dtype, list(plain.shape), len(tensors) - 1]}
    return {"foreign": str(getattr(kind, "__name__", "object"))}


def _decode(value: Any, tensors: list[bytearray]) -> Any:
    if value is None or isinstance(value, bool | str):
        return value
    ((kind, inside),) = value.items()
    if kind in ("int", "float"):
        if not isinstance(inside, str) or len(inside) > 400:
            raise ValueError("no number")
        return int(inside) if kind == "int" else float(inside)
    if kind in ("list", "tuple"):
        parts = [_decode(part, tensors) for part in inside]
        return parts if kind == "list" else tuple(parts)
    if kind == "dict":
        return {_decode(key, tensors): _decode(part, tensors) for key, part in inside}
    if kind == "tensor":
        dtype, shape, number = inside
        data = tensors[number]
        if any(type(size) is not int or size < 0 for size in shape):
            raise ValueError("no shape")
        if math.prod(shape) * DTYPES[dtype].itemsize != len(data) or len(shape) > DEPTH:
            raise ValueError("not as many numbers as the shape says")
        if not data:
            return torch.empty(shape, dtype=DTYPES[dtype])
        if dtype == "bool":  # a byte that is neither 0 nor 1 would be an undefined truth
            return torch.frombuffer(data, dtype=torch.uint8).ne(0).reshape(shape)
        return torch.frombuffer(data, dtype=DTYPES[dtype]).reshape(shape)
    if kind == "foreign":
        return foreign(inside)
    raise ValueError("an unknown kind")


def send(to: socket.socket, value: Any) -> None:
    """Send one value."""
    tensors: list[bytes] = []
    encoded = _encode(value, tensors)
    header = json.dumps([encoded, [len(one) for one in tensors]]).encode()
    if len(header) > HEADER or sum(map(len, tensors)) > BYTES:
        raise ValueError("the value is too large")
    to.sendall(struct.pack("<I", len(header)) + header + b"".join(tensors))


def receive(origin: socket.socket, deadline: float = math.inf) -> Any:
    """The next value, whatever the far side sends until then.

    Raises:
        ValueError: for what is no message
        EOFError: if the far side is gone
        TimeoutError: if the message isn't whole by the deadline (of `time.monotonic`)
    """
    (size,) = struct.unpack("<I", _take(origin, 4, deadline))
    if size > HEADER:
        raise ValueError("the message is too long")
    try:
        encoded, sizes = json.loads(_take(origin, size, deadline))
        if any(type(one) is not int or one < 0 for one in sizes) or sum(sizes) > BYTES:
            raise ValueError("the message is too long")
        return _decode(encoded, [_take(origin, one, deadline) for one in sizes])
    except (EOFError, TimeoutError):
        raise
    except (ArithmeticError, AttributeError, LookupError, RecursionError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"no message ({type(error).__name__})") from None


def _take(origin: socket.socket, size: int, deadline: float) -> bytearray:
    data = bytearray()
    while len(data) < size:
        if deadline < math.inf:
            origin.settimeout(max(1e-3, deadline - time.monotonic()))
        part = origin.recv(min(1 << 20, size - len(data)))
        if not part:
            raise EOFError
        data += part
    return data
