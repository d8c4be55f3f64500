"""Talking to a node over its public RPC: an async client, a blocking one, and accounts that sign.

Used by agents, the load generator and the command line alike; nothing here is known to the node that a
stranger could not do. Never retries a request that might have been carried out: submissions are idempotent
by hash, so whoever needs that sends the same bytes again.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from consensus.light import CODEC as LIGHT_BLOCK
from consensus.light import LightBlock
from contracts.genesis import CODEC as GENESIS
from contracts.genesis import MAX_GENESIS_BYTES, Genesis
from contracts.receipts import OK
from node.access.requests import HEADER, ReaderKey
from node.accounts import Account, MeterKey
from node.clock import wall_ms
from node.errors import UNREADABLE, RpcError
from zk.codec import Malformed

if TYPE_CHECKING:
    from node.typed import Typed

__all__ = ["Account", "Client", "Document", "MeterKey", "Result", "RpcError", "SyncClient", "Wait"]

Wait = Literal["accepted", "final", "proof"]
Document = dict[str, Any]
T = TypeVar("T")

TOKEN_VARIABLE, CA_VARIABLE = "GRIDPACT_TOKEN", "GRIDPACT_CA"
IDEMPOTENCY = "Idempotency-Key"
MSGPACK = "application/msgpack"
REQUEST_TIMEOUT_S = 30.0
"""Any request but a waiting submission, which gets its own wait on top."""
MAX_BATCH = 256
"""Envelopes that one request may carry."""
HEARTBEAT_S = 20.0
"""Ping of an event stream: a node that vanished is noticed within this and a half."""
MAX_EVENT_BYTES = 16 * 1024 * 1024
MAX_PAGES = 64
"""Of one list."""
MAX_ANSWER_BYTES = MAX_GENESIS_BYTES
"""Of any answer; a genesis document is the longest."""
UNREACHABLE_HINT = "Is it running? `gridpact devnet status` shows the nodes' URLs; give one with --node."


class Result(msgspec.Struct, frozen=True):
    """What became of one envelope. `final` and `code` "ok": it did what it says."""

    hash: bytes
    status: Literal["accepted", "refused", "final"]
    code: str
    message: str = ""
    hint: str = ""
    height: int | None = None
    index: int | None = None
    receipt: Document | None = None
    proof: Document | None = None

    @property
    def done(self) -> bool:
        """Decided, executed, and not refused by a contract."""
        return self.status == "final" and self.code == OK


class _Results(msgspec.Struct, frozen=True):
    results: list[Result]


_RESULTS = msgspec.msgpack.Decoder(_Results)
_JSON = msgspec.json.Decoder(dict[str, Any])


class Client:
    """One node's RPC. Use as an async context manager, or call `close`."""

    def __init__(
        self, base_url: str, *, connections: int = 16, token: str | None = None, ca: str | None = None
    ) -> None:
        """`token` and `ca` (a file of certificates to trust) are for nodes on other machines, over https alone; by
        default the environment has them: `GRIDPACT_TOKEN`, `GRIDPACT_CA`."""
        self.base_url = base_url.rstrip("/")
        self._https = self.base_url.startswith("https://")
        self._token = token or os.environ.get(TOKEN_VARIABLE)
        self._ca = ca or os.environ.get(CA_VARIABLE)
        self.reader: ReaderKey | None = None
        """Who signs what is asked; None: nobody."""
        self.listener: Callable[[str, Document], None] | None = None
        """Told the path and document of every answer that `get` gives."""
        self._audience: tuple[str, str] | None = None
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def typed(self) -> Typed:
        """The same questions, with typed answers."""
        from node.typed import Typed  # all records of the ledger: whoever reads documents does not wait for them

        return Typed(self)

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    # Submitting

    async def submit(
        self, envelopes: Sequence[bytes], wait: Wait = "accepted", timeout_ms: int = 30_000
    ) -> list[Result]:
        """Submit at most 256 envelopes; one result each, in order. Raises `RpcError`."""
        return await self._submit(envelopes, wait, timeout_ms, {})

    async def submit_under(
        self, key: str, envelopes: Sequence[bytes], wait: Wait = "accepted", timeout_ms: int = 30_000
    ) -> list[Result]:
        """The same under an idempotency key: this node refuses others under it (`rpc.key-reused`), so that whoever does
        not know what became of a submission does not do the same twice by signing anew. Raises `RpcError`."""
        return await self._submit(envelopes, wait, timeout_ms, {IDEMPOTENCY: key})

    async def _submit(
        self, envelopes: Sequence[bytes], wait: Wait, timeout_ms: int, headers: Mapping[str, str]
    ) -> list[Result]:
        body = msgspec.msgpack.encode((envelopes, wait, timeout_ms))
        waiting_s = 0.0 if wait == "accepted" else timeout_ms / 1000
        raw = await self._request("POST", "/tx", body=body, headers=headers, timeout_s=REQUEST_TIMEOUT_S + waiting_s)
        try:
            results = _RESULTS.decode(raw).results
        except UNREADABLE as error:
            raise RpcError("rpc.garbled", f"{self.base_url} answered a submission with garbage: {error}.") from None
        if len(results) != len(envelopes):
            raise RpcError(
                "rpc.garbled", f"{self.base_url} answered {len(envelopes)} envelopes with {len(results)} results."
            )
        return results

    async def submit_one(self, envelope: bytes, wait: Wait = "final", timeout_ms: int = 30_000) -> Result:
        """Submit one envelope. Raises `RpcError`."""
        return (await self.submit([envelope], wait, timeout_ms))[0]

    async def report(self, evidence: bytes) -> Document:
        """Tell the node who contradicted itself: an encoded `consensus.evidence.Equivocation`. Raises `RpcError`."""
        return self._document("/evidence", await self._request("POST", "/evidence", body=evidence))

    # Asking

    async def get(self, path: str, reader: ReaderKey | None = None, **options: str | int) -> Document:
        """A JSON document, asked for by `reader` or `self.reader`. Raises `RpcError`."""
        texts = {name: str(value) for name, value in options.items()}
        signer = reader or self.reader
        headers = None if signer is None else await self._signed(signer, path, texts)
        document = self._document(path, await self._request("GET", path, options=texts, headers=headers))
        if self.listener is not None:
            self.listener(path, document)
        return document

    async def _signed(self, reader: ReaderKey, path: str, options: Mapping[str, str]) -> dict[str, str]:
        """The header that shows who asks this node for this."""
        if self._audience is None:
            status = self._document("/status", await self._request("GET", "/status"))
            if not {"chain_id", "node"} <= status.keys():
                raise RpcError("rpc.garbled", f"{self.base_url}/status does not say which node of which chain it is.")
            self._audience = str(status["chain_id"]), str(status["node"])
        target = URL(self.base_url + path).with_query(options or None).raw_path_qs
        return {HEADER: reader.header(*self._audience, wall_ms(), "GET", target)}

    async def status(self) -> Document:
        """The node's `status` document."""
        return await self.get("/status")

    async def genesis(self) -> Genesis:
        """The chain's genesis document."""
        try:
            return GENESIS.decode(await self._request("GET", "/genesis"))
        except Malformed as error:
            raise RpcError("rpc.garbled", f"{self.base_url} serves no genesis document: {error}.") from None

    async def metrics(self) -> str:
        """Prometheus text."""
        return (await self._request("GET", "/metrics")).decode()

    async def block(self, height: int | Literal["latest"] = "latest") -> Document:
        """A block with its certificate."""
        return await self.get(f"/block/{height}")

    async def header(self, height: int | Literal["latest"] = "latest") -> Document:
        """A header with its certificate."""
        return await self.get(f"/header/{height}")

    async def light_block(self, height: int) -> LightBlock:
        """A decided header with all that it takes to believe it. Raises `RpcError`."""
        try:
            return LIGHT_BLOCK.decode(await self._request("GET", f"/light/{height}"))
        except Malformed as error:
            raise RpcError("rpc.garbled", f"{self.base_url} serves no light blocks: {error}.") from None

    async def transaction(self, hash_: bytes, *, prove: bool = False) -> Document:
        """A decided transaction with its receipt."""
        return await self.get(f"/tx/{hash_.hex()}", prove=int(prove))

    async def query(
        self, kind: str, *arguments: str | int, reader: ReaderKey | None = None, **options: str | int
    ) -> Document:
        """`/query/<kind>/<arguments>`: `{height, time_ms, data, withheld?, proof?}`; options are `prove`, `height`,
        `sequence`."""
        path = "/".join(["/query", kind, *(quote(str(one), safe="") for one in arguments)])
        answer = await self.get(path, reader, **options)
        if options.keys() & {"limit", "offset"}:
            return answer
        return await self._whole_list(path, answer, reader, options)

    async def _whole_list(
        self, path: str, answer: Document, reader: ReaderKey | None, options: Mapping[str, str | int]
    ) -> Document:
        """The answer with the pages that follow its first, of one height. Its proof is of all. Raises `RpcError`."""
        page = answer.pop("page", None)
        for _ in range(MAX_PAGES):
            if not isinstance(page, dict) or page.get("next") is None:
                return answer
            try:
                following = {**options, "offset": page["next"], "height": answer["height"], "prove": 0}
                more = await self.get(path, reader, **following)
                answer["data"][page["of"]] += more["data"][page["of"]]
            except (KeyError, TypeError):
                raise RpcError("rpc.garbled", f"{self.base_url}{path} has pages that can't be put together.") from None
            page = more.get("page")
        raise RpcError("rpc.garbled", f"{self.base_url}{path} has more than {MAX_PAGES} pages.")

    async def member(self, member: str, *, prove: bool = False) -> Document:
        """A member with balance and nonce lanes."""
        return await self.query("member", member, prove=int(prove))

    async def balance_nano(self, member: str) -> int:
        """A member's money."""
        return int((await self.query("balance", member))["data"]["balance_nano"])

    async def meter(self, meter: str, *, prove: bool = False, reader: ReaderKey | None = None) -> Document:
        """A meter with the head of its chain; None where its owner keeps that from who asks."""
        return await self.query("meter", meter, reader=reader, prove=int(prove))

    async def reading(self, meter: str, sequence: int | None = None, *, prove: bool = False) -> Document:
        """The newest accepted reading, or the one with `sequence`."""
        options: dict[str, Any] = {} if sequence is None else {"sequence": sequence}
        return await self.query("reading", meter, prove=int(prove), **options)

    async def interval(self, which: int | str, *, prove: bool = False) -> Document:
        """An interval by number, `now`, `next` (the first whose offers are open) or `last` (the newest settled)."""
        return await self.query("interval", which, prove=int(prove))

    async def dispatch(self, which: int | str, *, prove: bool = False) -> Document:
        """An ordered interval with every order."""
        return await self.query("dispatch", which, prove=int(prove))

    async def bill(self, which: int | str, member: str, *, prove: bool = False) -> Document:
        """What a member owes or gets for a settled interval."""
        return await self.query("bill", which, member, prove=int(prove))

    async def statement(self, cycle: int | str, member: str, *, prove: bool = False) -> Document:
        """All lines of a member in one billing cycle (`now`, `last` or a number)."""
        return await self.query("statement", cycle, member, prove=int(prove))

    async def offences(self, before: int | None = None, *, prove: bool = False) -> Document:
        """Who contradicted itself, newest first, at most 64; `before`: those with a lower number."""
        return await self.query("offences", *(() if before is None else (before,)), prove=int(prove))

    async def events(
        self, topics: Sequence[str] = ("block", "interval", "receipt"), cursor: str | None = None
    ) -> AsyncGenerator[Document, None]:
        """Events from `cursor` on (None: from now on), until the node ends the stream. Raises `RpcError`.

        Keep each event's `cursor`: going on from it misses and repeats nothing.
        """
        options = {"topics": ",".join(topics)} | ({} if cursor is None else {"cursor": cursor})
        headers = None if self.reader is None else await self._signed(self.reader, "/events", options)
        try:
            socket = await self._open().ws_connect(
                f"{self.base_url}/events",
                params=options,
                headers=headers,
                heartbeat=HEARTBEAT_S,
                max_msg_size=MAX_EVENT_BYTES,
            )
        except aiohttp.WSServerHandshakeError as error:
            raise RpcError(
                "rpc.events", f"{self.base_url} refused the event stream: {error.message}.", status=error.status
            ) from None
        except (aiohttp.ClientError, OSError, AssertionError) as error:
            # aiohttp asserts, instead of reporting, that the peer is still there at the end of the handshake.
            raise self._unreachable(error) from None
        async with socket:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    yield self._document("/events", message.data)

    # Underneath

    def _document(self, path: str, raw: bytes | str) -> Document:
        try:
            return _JSON.decode(raw)
        except UNREADABLE as error:
            raise RpcError("rpc.garbled", f"{self.base_url}{path} is no JSON document: {error}.") from None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections, ssl=self._trusted()),
                # Over plain HTTP anybody on the way would read it.
                headers={"Authorization": f"Bearer {self._token}"} if self._https and self._token else None,
                auto_decompress=False,
            )
        return self._session

    def _trusted(self) -> ssl.SSLContext | bool:
        """Whose certificates are believed. Raises `RpcError`."""
        if not self._https:
            return True
        try:
            return ssl.create_default_context(cafile=self._ca)
        except OSError as error:
            raise RpcError(
                "rpc.certificates", f"{self._ca} has no certificates: {error}.", f"Name a PEM file in {CA_VARIABLE}."
            ) from None

    async def _request(
        self,
        method: str,
        path: str,
        *,
        options: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> bytes:
        if body is not None:
            headers = {**(headers or {}), "Content-Type": MSGPACK}
        try:
            async with self._open().request(
                method,
                self.base_url + path,
                params=options,
                data=body,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=timeout_s),
                allow_redirects=False,
            ) as response:
                raw = await self._whole(response)
                if response.status < 300:
                    return raw
                raise self._refused(response.status, response.content_type, raw)
        except TimeoutError:
            raise RpcError(
                "rpc.timeout", f"{self.base_url} did not answer within {timeout_s:.0f} s.", UNREACHABLE_HINT
            ) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._unreachable(error) from None

    async def _whole(self, response: aiohttp.ClientResponse) -> bytes:
        """The body of an answer, of which a node decides how long it is. Raises `RpcError`."""
        raw = bytearray()
        async for part in response.content.iter_any():
            raw += part
            if len(raw) > MAX_ANSWER_BYTES:
                raise RpcError("rpc.garbled", f"{self.base_url} answered with more than {MAX_ANSWER_BYTES} bytes.")
        return bytes(raw)

    def _unreachable(self, error: Exception) -> RpcError:
        return RpcError(
            "rpc.unreachable",
            f"There is no node at {self.base_url}: {error or type(error).__name__}.",
            UNREACHABLE_HINT,
        )

    def _refused(self, status: int, content_type: str, raw: bytes) -> RpcError:
        try:
            decode = msgspec.msgpack.decode if content_type == MSGPACK else msgspec.json.decode
            document = decode(raw, type=dict[str, Any])
        except UNREADABLE:
            document = {}
        return RpcError(
            str(document.get("code", "rpc.garbled")),
            str(document.get("message") or f"{self.base_url} answered with status {status}."),
            str(document.get("hint", "")),
            status,
        )


class SyncClient:
    """`Client` for code without an event loop: `sync.run(lambda client: client.status())`."""

    def __init__(self, base_url: str) -> None:
        self._runner = asyncio.Runner()
        self.client = Client(base_url)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections and the event loop."""
        self._runner.run(self.client.close())
        self._runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Result of one of the client's coroutines. Raises `RpcError`."""
        return self._runner.run(work)
