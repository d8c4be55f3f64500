"""What must hold before a chain may start from a genesis document: ids, references, keys, sums, organisations.

Errors are `genesis.*` with the path of the field as people write it (`node.genesis_file`). Never checks what only
execution knows, and never runs again once the document is packed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509.oid import NameOID

from contracts.codes import CODES
from contracts.confidential.succession import problem as problem_of_hidden
from contracts.envelopes import fits
from contracts.flexible import assets
from contracts.genesis import CODEC, Genesis
from contracts.members import REVOKED_KEY, ROLES, SCOPES, Member, NodeKeys
from contracts.network.registration import MeterPlace
from contracts.network.registration import problem as problem_of_network
from contracts.params import DAY_MS, problem
from contracts.private import meters as hidden_meters
from contracts.units import MAX_COUNT, MAX_MONEY, MAX_TIME, MAX_TOKENS
from node.config import is_address
from node.documents import DocumentError
from node.errors import NodeError
from node.seats import validators_of
from zk import bls
from zk.codec import Malformed, encode
from zk.ed25519 import is_registrable

MIN_VALIDATORS = 4
LEAST_FUTURE_MS = 10 * 366 * DAY_MS
"""Time that a chain has at least before its clock or the count of its intervals reaches its bound."""
ENVELOPE = "governance.envelope"
METER_KINDS = ("source", "load", "storage", "tie")


def check(genesis: Genesis, production: bool = False) -> None:
    """Everything that must hold before a chain may start from this document. Raises NodeError `genesis.*`."""
    if len(genesis.validators) < MIN_VALIDATORS:
        raise DocumentError(
            "genesis.validators",
            "validators",
            f"{len(genesis.validators)} validators tolerate no fault",
            f"Name at least {MIN_VALIDATORS} node ids.",
        )
    try:
        CODEC.decode(encode(genesis))
    except Malformed as error:
        raise NodeError("genesis.value", f"A value is out of its bounds: {error.message}.", "See the units.") from None
    if production and genesis.devnet_clock is not None:
        raise DocumentError(
            "genesis.devnet-clock",
            "devnet_clock",
            "a production chain runs on real time",
            "Remove the [devnet_clock] table.",
        )
    latest_ms = min(MAX_TIME, MAX_COUNT * genesis.params.interval_ms) - LEAST_FUTURE_MS
    if genesis.time_ms > latest_ms:
        raise DocumentError(
            "genesis.value",
            "time_ms",
            f"{genesis.time_ms} leaves less than ten years to intervals of {genesis.params.interval_ms} ms",
            f"Write a time up to {latest_ms}, in milliseconds from 1970-01-01, or longer intervals.",
        )
    check_order(genesis)
    _check_members(genesis)
    _check_meters(genesis)
    _check_lines(genesis)
    _check_envelopes(genesis)
    _check_network(genesis)
    _check_hidden(genesis)
    _check_nodes(genesis)
    _check_validators(genesis)
    validators_of(genesis)
    _check_keys(genesis)
    _check_possession(genesis)
    _check_params(genesis)


def check_order(genesis: Genesis) -> None:
    """Ids are unique and ascending, in every list, so that one content has one encoding."""
    lists: Mapping[str, Iterable[str]] = {
        "members": (member.id for member in genesis.members),
        "meters": (meter.id for meter in genesis.meters),
        "balances": (balance.member for balance in genesis.balances),
        "registers": (register.meter for register in genesis.registers),
        "trusts": (trust.member for trust in genesis.trusts),
        "lines": (line.id for line in genesis.lines),
        "envelopes": (envelope.meter for envelope in genesis.envelopes),
        "validators": genesis.validators,
    }
    for name, ids in lists.items():
        previous = ""
        for id_ in ids:
            if id_ == previous:
                raise _duplicate(f'{name}["{id_}"]', "id")
            if id_ < previous:
                raise DocumentError(
                    "genesis.order", f'{name}["{id_}"]', f'this stands after "{previous}"', "Sort the list by id."
                )
            previous = id_


def _check_members(genesis: Genesis) -> None:
    known = [member.id for member in genesis.members]
    for member in genesis.members:
        path = f'members["{member.id}"]'
        for role in member.roles:
            _one_of(f"{path}.roles", role, ROLES)
        for i, key in enumerate(member.keys):
            _one_of(f"{path}.keys[{i}].scope", key.scope, SCOPES)
    for balance in genesis.balances:
        _reference(f'balances["{balance.member}"]', "member", balance.member, known)
    if sum(abs(balance.balance_nano) for balance in genesis.balances) > MAX_MONEY:
        raise _too_much("balance_nano", "money", MAX_MONEY)
    for trust in genesis.trusts:
        _reference(f'trusts["{trust.member}"]', "member", trust.member, known)
    if sum(trust.free_tokens + trust.bonded_tokens for trust in genesis.trusts) > MAX_TOKENS:
        raise _too_much("trust", "tokens", MAX_TOKENS)


def _check_meters(genesis: Genesis) -> None:
    members = {member.id for member in genesis.members}
    for meter in genesis.meters:
        path = f'meters["{meter.id}"]'
        if meter.member not in members:
            _reference(f"{path}.member", "member", meter.member, sorted(members))
        _one_of(f"{path}.kind", meter.kind, METER_KINDS)
        found = assets.problem(meter)
        if found is not None:
            raise DocumentError("genesis.asset", f"{path}.{found.field}", found.message, found.hint)
    _check_private(genesis)
    meters = {meter.id for meter in genesis.meters}
    for register in genesis.registers:
        if register.meter not in meters:
            _reference(f'registers["{register.meter}"]', "meter", register.meter, sorted(meters))


def _check_private(genesis: Genesis) -> None:
    """Private meters can be, their campuses can bill them, and no line hangs on what nobody sees."""
    members = {member.id: member for member in genesis.members}
    for meter in genesis.meters:
        campus = None if meter.private is None else members.get(meter.private.campus)
        found = hidden_meters.problem(meter, campus)
        if found is not None:
            path = f'meters["{meter.id}"].private'
            raise DocumentError("genesis.private", path, found, CODES["governance.private"].hint)
    crowded = hidden_meters.too_many(hidden_meters.sites(genesis.meters).values())
    if crowded is not None:
        raise DocumentError("genesis.private", "meters", crowded, CODES["governance.private"].hint)
    hidden = {meter.id for meter in genesis.meters if meter.private is not None}
    for line in genesis.lines:
        for end in (line.sending_meter, line.receiving_meter, line.parent_meter):
            if end in hidden:
                raise DocumentError(
                    "genesis.private",
                    f'lines["{line.id}"]',
                    f"{end} is private, so nobody sees what crosses it",
                    "A line stands between open meters; what a private source loses is in its `private` table.",
                )


def _check_lines(genesis: Genesis) -> None:
    """Three different known meters each, and no meter at the same end of two lines: its register is one number."""
    meters = [meter.id for meter in genesis.meters]
    taken: set[tuple[str, str]] = set()
    for line in genesis.lines:
        path = f'lines["{line.id}"]'
        ends = {
            "sending_meter": line.sending_meter,
            "receiving_meter": line.receiving_meter,
            "parent_meter": line.parent_meter,
        }
        for field, meter in ends.items():
            _reference(f"{path}.{field}", "meter", meter, meters)
        if len(set(ends.values())) < len(ends):
            raise DocumentError(
                "genesis.value", path, "two of its meters are the same", "A line has two ends and a third meter."
            )
        for field in ("sending_meter", "receiving_meter"):
            if (field, ends[field]) in taken:
                raise DocumentError(
                    "genesis.value",
                    f"{path}.{field}",
                    f'"{ends[field]}" is this end of another line',
                    "Give each line meters of its own.",
                )
            taken.add((field, ends[field]))


def _check_envelopes(genesis: Genesis) -> None:
    """Each is of a meter, and makes sense for it."""
    meters = {meter.id: meter for meter in genesis.meters}
    for envelope in genesis.envelopes:
        path = f'envelopes["{envelope.meter}"]'
        _reference(path, "meter", envelope.meter, list(meters))
        if not fits(envelope, meters[envelope.meter]):
            raise DocumentError("genesis.value", path, "it contradicts itself or its meter", CODES[ENVELOPE].hint)


def _check_hidden(genesis: Genesis) -> None:
    found = None if genesis.hidden is None else problem_of_hidden(genesis.hidden, {one.id for one in genesis.members})
    if found is not None:
        raise DocumentError(
            "genesis.hidden",
            "hidden",
            found,
            "Leave it as `gridpact succession export` wrote it; a new chain has none.",
        )


def _check_network(genesis: Genesis) -> None:
    """As governance checks a network that is proposed."""
    if genesis.network is None:
        return
    meters = [MeterPlace(meter.id, assets.place_of(meter), meter.kind, meter.member) for meter in genesis.meters]
    found = problem_of_network(genesis.network, genesis.params.interval_ms, meters)
    if found is not None:
        where = found.where if found.where.startswith("meters") else f"network.{found.where}"
        raise DocumentError("genesis.network", where, found.message, CODES[found.code].hint)


def _check_nodes(genesis: Genesis) -> None:
    seen: set[str] = set()
    for path, _, node in _nodes(genesis):
        if node.node in seen:
            raise _duplicate(path, "node id")
        seen.add(node.node)
        if not is_address(node.address):
            raise DocumentError(
                "genesis.address",
                f"{path}.address",
                f'"{node.address}" is not an address',
                'Write "host:port" with a port from 1 to 65535.',
            )


def _check_validators(genesis: Genesis) -> None:
    owners = {node.node: member.id for _, member, node in _nodes(genesis)}
    for id_ in genesis.validators:
        _reference("validators", "node", id_, list(owners))
    organisations = {owners[id_] for id_ in genesis.validators}
    if len(organisations) < MIN_VALIDATORS:
        raise DocumentError(
            "genesis.organisations",
            "validators",
            f"these nodes belong to {len(organisations)} members",
            f"Consensus needs nodes of at least {MIN_VALIDATORS} different members.",
        )


def _check_keys(genesis: Genesis) -> None:
    """Every key is a point that cannot forge, and has one purpose."""
    owners: dict[bytes, str] = {}
    for path, key in _keys(genesis):
        if not is_registrable(key):
            raise DocumentError(
                "genesis.key",
                path,
                f"{key.hex()} is not a public key of Ed25519",
                "Copy the key that `gridpact keys` shows.",
            )
        if key in owners:
            raise DocumentError(
                "genesis.duplicate-key", path, f"{owners[key]} has the same key", "Make a key for each purpose."
            )
        owners[key] = path


def _check_possession(genesis: Genesis) -> None:
    """Every node has a BLS key of its own, and has shown that it has the secret of it."""
    owners: dict[bytes, str] = {}
    for path, _, node in _nodes(genesis):
        if not bls.is_key(node.bls_key):
            raise DocumentError(
                "genesis.bls-key",
                f"{path}.bls_key",
                "this is not a public key of BLS12-381",
                "Copy the key that `gridpact init` wrote to keys/node.json.",
            )
        if not bls.verify_possession(node.bls_key, node.bls_possession):
            raise DocumentError(
                "genesis.possession",
                f"{path}.bls_possession",
                "this does not show that the node has the secret of its BLS key",
                "Copy both from the same keys/node.json.",
            )
        if node.bls_key in owners:
            raise DocumentError(
                "genesis.duplicate-key",
                f"{path}.bls_key",
                f"{owners[node.bls_key]} has the same key",
                "Make a key for each node.",
            )
        owners[node.bls_key] = f"{path}.bls_key"


def _check_params(genesis: Genesis) -> None:
    found = problem(genesis.params)
    if found is not None:
        raise DocumentError("genesis.params", f"params.{found.field}", found.message, found.hint)


def _nodes(genesis: Genesis) -> Iterator[tuple[str, Member, NodeKeys]]:
    for member in genesis.members:
        for node in member.nodes:
            yield f'members["{member.id}"].nodes["{node.node}"]', member, node


def _keys(genesis: Genesis) -> Iterator[tuple[str, bytes]]:
    """Every Ed25519 key with its path."""
    for member in genesis.members:
        for i, key in enumerate(member.keys):
            yield f'members["{member.id}"].keys[{i}].public_key', key.public_key
    for path, _, node in _nodes(genesis):
        yield f"{path}.consensus_key", node.consensus_key
        yield f"{path}.tls_certificate", _certified_key(f"{path}.tls_certificate", node)
    for meter in genesis.meters:
        # Of a meter whose key was revoked on the chain that this one goes on from: it waits for a new one.
        if meter.public_key == REVOKED_KEY:
            continue
        yield f'meters["{meter.id}"].public_key', meter.public_key


def _certified_key(path: str, node: NodeKeys) -> bytes:
    """The key in a node's certificate, which must be Ed25519 and name the node."""
    trouble = "this is not an X.509 certificate"
    try:
        certificate = x509.load_der_x509_certificate(node.tls_certificate)
        key = certificate.public_key()
        names = [str(name.value) for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    except ValueError:
        names, key = [], None
    if isinstance(key, Ed25519PublicKey) and names == [node.node]:
        return key.public_bytes_raw()
    if key is not None:
        trouble = f"this is a certificate for {names[0] if names else 'nobody'}"
    raise DocumentError(
        "genesis.certificate", path, trouble, f"Copy the certificate that `gridpact init` made for {node.node}."
    )


def _reference(path: str, what: str, id_: str, known: list[str]) -> None:
    if id_ not in known:
        close = get_close_matches(id_, known, 1)
        hint = f'Did you mean "{close[0]}"?' if close else f"Name a {what} of this document."
        raise DocumentError(f"genesis.unknown-{what}", path, f'there is no {what} "{id_}"', hint)


def _one_of(path: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise DocumentError("genesis.value", path, f'this is "{value}"', "Write one of " + ", ".join(known) + ".")


def _duplicate(path: str, what: str) -> DocumentError:
    return DocumentError("genesis.duplicate-id", path, f"this {what} is taken", "Ids are unique: choose another.")


def _too_much(path: str, what: str, bound: int) -> DocumentError:
    return DocumentError(
        "genesis.supply", path, f"the {what} of all members overflow", f"Keep the sum at or below {bound}."
    )
