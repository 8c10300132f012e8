"""Plain data crosses whole; anything else is refused."""

import json
import socket
import struct
import time

import pytest
import torch

from course_lib.classroom.grading import wire
from course_lib.classroom.questions import same


def crossed(value):
    one, other = socket.socketpair()
    with one, other:
        wire.send(one, value)
        return wire.receive(other, time.monotonic() + 5)


PLAIN = [None, True, 3, -(2**70), 0.1, "ü", (1, "a"), [1, [2.5]], {"a": (1,), "b": None}]


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_data_is_the_same_behind_the_border(value):
    back = crossed(value)
    assert back == value and type(back) is type(value)


@pytest.mark.parametrize("dtype", wire.DTYPES.values(), ids=str)
def test_tensors_keep_their_numbers_and_type(dtype):
    value = torch.arange(12).reshape(3, 4).T.to(dtype)
    back = crossed(value)
    assert back.dtype == dtype and torch.equal(back, value)


@pytest.mark.parametrize("shape", [(), (0, 3), (1, 1)])
def test_small_tensors(shape):
    assert crossed(torch.zeros(shape)).shape == shape
    assert same(crossed(torch.eye(3)[:1].T), torch.eye(3)[:1].T)


def test_infinities_cross():
    back = crossed((float("nan"), float("inf")))
    assert back[0] != back[0] and back[1] == float("inf")


def test_what_is_no_plain_data_comes_as_its_name_only():
    class Everything(int):
        def __eq__(self, other):
            return True

    class Lying(torch.Tensor):
        pass

    assert type(crossed(Everything(3))).__name__ == "Everything"
    assert type(crossed({1, 2})).__name__ == "set"
    assert type(crossed(torch.zeros(2).as_subclass(Lying))) is torch.Tensor
    assert type(crossed(torch.zeros(2, dtype=torch.complex64))).__name__ == "Tensor_of_complex"


def test_what_is_too_deep_or_too_large_is_refused_on_sending():
    deep = []
    for _ in range(30):
        deep = [deep]
    with pytest.raises(ValueError, match="deep"):
        crossed(deep)
    with pytest.raises(ValueError, match="large"):
        crossed("a" * (wire.HEADER + 1))


def forged(header, buffers=b"", size=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<I", len(text) if size is None else size) + text + buffers


FORGED = {
    "no JSON": forged(b"\x80\x04."),
    "not two parts": forged([1]),
    "an unknown kind": forged([{"pickle": "x"}, []]),
    "two kinds": forged([{"int": "1", "float": "1"}, []]),
    "a number that is none": forged([{"int": "__import__('os')"}, []]),
    "a number without end": forged([{"int": "9" * 10_000}, []]),
    "a shape that is too large": forged([{"tensor": ["float32", [1 << 40], 0]}, [4]], b"1234"),
    "a negative shape": forged([{"tensor": ["float32", [-1, -1], 0]}, [4]], b"1234"),
    "no such buffer": forged([{"tensor": ["float32", [1], 3]}, [4]], b"1234"),
    "an unknown type": forged([{"tensor": ["object", [1], 0]}, [4]], b"1234"),
    "a list as a key": forged([{"dict": [[{"list": []}, 1]]}, []]),
    "buffers without end": forged([1, [1 << 40]]),
    "a negative buffer": forged([1, [-5]]),
    "a header without end": forged([1, []], size=(1 << 32) - 1),
    "nested without end": forged(b"[" * 100_000),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_message_is_refused(name):
    one, other = socket.socketpair()
    with one, other:
        one.setblocking(False)
        one.send(FORGED[name])
        with pytest.raises(ValueError, match="message|long"):
            wire.receive(other, time.monotonic() + 2)


def test_half_a_message_is_waited_for_only_until_the_deadline():
    one, other = socket.socketpair()
    with one, other:
        one.sendall(struct.pack("<I", 10) + b"[")
        with pytest.raises(TimeoutError):
            wire.receive(other, time.monotonic() + 0.1)
        one.close()
        with pytest.raises(EOFError):
            wire.receive(other, time.monotonic() + 0.1)
