"""One node asked for light blocks: no answer costs more than its bounds, or raises anything unforeseen."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.errors import NodeError
from node.light.source import CHUNK_BYTES, MAX_ANSWER_BYTES, Source, SourceError
from tests.consensus.light_chain import chain
from tests.light.sources import answer, listening, of_blocks
from zk.codec import encode

BLOCKS = chain([{"ada": 1, "bob": 2}] * 4)


def test_blocks_come_by_height_and_newest() -> None:
    with listening(of_blocks(BLOCKS)) as url:
        source = Source(url + "/")
        assert source.light_block(2) == BLOCKS[1] and source.light_block() == BLOCKS[2]
        assert source.light_block(4) is None and source.light_block(0) is None


def test_a_path_before_and_chunks_are_fine() -> None:
    raw = encode(BLOCKS[0])

    def say(path: str) -> Iterator[bytes]:
        assert path == "/site/light/1"
        yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        for part in (raw[:100], raw[100:]):
            yield b"%x\r\n%s\r\n" % (len(part), part)
        yield b"0\r\n\r\n"

    with listening(say) as url:
        assert Source(f"{url}/site").light_block(1) == BLOCKS[0]


RAW = encode(BLOCKS[0])


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 999999 OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n" + RAW,
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + RAW,
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n" + RAW,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffffff\r\n" + RAW,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 3,
        answer("200 OK", b""),
        answer("200 OK", b"<html>"),
        answer("200 OK", RAW + b"\x00"),
        answer("301 Moved", b"", "Location: http://127.0.0.1:1/\r\n"),
        answer("500 No", b"{}"),
        answer("203 Changed", RAW),
    ],
)
def test_every_wrong_answer_has_a_code(said: bytes) -> None:
    with listening(lambda _: said) as url, pytest.raises(SourceError) as caught:
        Source(url, 2.0).light_block()
    assert caught.value.code in ("light.unreachable", "light.garbled")


@given(st.binary(max_size=300))
@settings(max_examples=60)
def test_any_bytes_are_an_answer_or_an_error(raw: bytes) -> None:
    with listening(lambda _: raw) as url, pytest.raises(SourceError):
        Source(url, 2.0).light_block()


def test_an_endless_answer_is_cut_off() -> None:
    sent: list[int] = []

    def say(_: str) -> Iterator[bytes]:
        for _ in itertools.count():
            sent.append(CHUNK_BYTES)
            yield bytes(CHUNK_BYTES)

    with listening(say) as url, pytest.raises(SourceError, match=str(MAX_ANSWER_BYTES)) as caught:
        Source(url).light_block()
    assert caught.value.code == "light.garbled"
    # What the sockets had buffered comes on top.
    assert sum(sent) < MAX_ANSWER_BYTES + 16 * 2**20


def test_an_answer_that_trickles_is_cut_off() -> None:
    over = threading.Event()

    def say(_: str) -> Iterator[bytes]:
        for _ in range(60):
            if over.wait(0.05):
                return
            yield b"H"

    with listening(say) as url, pytest.raises(SourceError, match=r"timed out|0\.2 s") as caught:
        Source(url, 0.2).light_block()
    over.set()
    assert caught.value.code == "light.unreachable"


def test_an_answer_byte_by_byte_is_cut_off() -> None:
    def say(_: str) -> Iterator[bytes]:
        yield from itertools.repeat(b"H", MAX_ANSWER_BYTES // 2)

    with listening(say) as url, pytest.raises(SourceError) as caught:
        Source(url, 0.05).light_block()
    assert caught.value.code == "light.unreachable"


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:80",
        "ftp://host",
        "http://",
        "http://host:0",
        "http://host:99999",
        "http://ho st",
        "http://host\r\nX: y",
        "http://[::1",
        "http://höst",
    ],
)
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(NodeError, match=r"cli\.node"):
        Source(url)
