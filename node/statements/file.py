"""A file of statements: written for somebody, and checked by whoever gets it, with a genesis document alone.

Each statement has its place, what it is about, what else its tag binds and its proof; a point that is a sum of points
of the ledger (what a register rose by, a weighted bid) may say of which. Beside them stand facts: bundles as
`gridpact proof fetch` writes them, which show that the points are on the ledger. A file whose proofs hold says where
each point stands, and of which nothing in it shows that: a proof about points of nobody's proves little.

Nothing in a file is trusted, and no part of it is skipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import msgspec

from contracts.genesis import Genesis
from node.errors import UNREADABLE, ProofError
from node.proofs import AnyBundle, Document, Proven, decode_file, verify_bundle
from node.render import parse, render
from node.statements.anchors import standing
from node.statements.kinds import KINDS, Form, Said, points_of
from zk.group import ORDER, native
from zk.group.native import Point
from zk.statements import check
from zk.statements.assertion import Assertion, Where

MAX_STATEMENTS = 1_024
MAX_FACTS = 64
MAX_TERMS = 4_096
"""Points that one point may be a sum of."""
STATEMENTS, ORDERED = "statements", "statements-to-make"
BUNDLES = frozenset({"state", "transaction", "receipt"})
WRITER = "gridpact proof make"

Hex = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{2})*\Z")]
Terms = Annotated[tuple[tuple[int, Hex], ...], msgspec.Meta(min_length=1, max_length=MAX_TERMS)]


class Place(Form, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`zk.statements.assertion.Where` in a file."""

    chain_id: str
    actor: str
    at: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
    round: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
    key_id: bytes

    def where(self) -> Where:
        """The same for a tag."""
        return Where(self.chain_id, self.actor, self.at, self.round, self.key_id)


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One statement in its JSON form."""

    statement: str
    where: Document
    about: Document
    bound: Document
    proof: Hex
    made_of: dict[Hex, Terms] = {}
    """Points of `about` that are sums, each of factors and points."""


class StatementsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag=STATEMENTS):
    """What `gridpact proof make` writes."""

    statements: Annotated[tuple[Statement, ...], msgspec.Meta(min_length=1, max_length=MAX_STATEMENTS)]
    facts: Annotated[tuple[AnyBundle, ...], msgspec.Meta(max_length=MAX_FACTS)] = ()


class Read(NamedTuple):
    """A statement of a file, decoded."""

    kind: str
    where: Where
    about: Any
    said: Said
    assertion: Assertion
    made_of: dict[bytes, list[tuple[int, bytes]]]


class _Head(msgspec.Struct):
    kind: str


_DECODER = msgspec.json.Decoder(StatementsFile)


def has_statements(raw: bytes) -> bool:
    """Whether a file says of itself that it has statements, or orders some; `decode` says what is wrong with those."""
    return _kind(raw) in {STATEMENTS, ORDERED}


def decode(raw: bytes) -> StatementsFile:
    """A file from JSON bytes. Raises `ProofError` `proof.malformed`, and `proof.order` and `proof.bundle` for the two
    kinds of files that are easily taken for it."""
    kind = _kind(raw)
    if kind == ORDERED:
        raise ProofError(
            "proof.order",
            "This file orders statements and proves none; it has secrets in it.",
            f"Make the proofs with `{WRITER}`, and give away what that wrote.",
        )
    if kind in BUNDLES:
        raise ProofError(
            "proof.bundle",
            "This file shows what is on the ledger, where everybody can read it, and hides nothing.",
            "Check it with `gridpact proof verify`.",
        )
    return decode_file(raw, _DECODER, "a file of statements", WRITER)


def _kind(raw: bytes) -> str:
    """What a file says that it is; empty where it says nothing."""
    try:
        return msgspec.json.decode(raw, type=_Head).kind
    except UNREADABLE:
        return ""


def read(file: StatementsFile) -> list[Read]:
    """Its statements, decoded. Raises `ProofError` `proof.kind`, `proof.malformed`, `proof.parts`."""
    return [_read(one, number) for number, one in enumerate(file.statements, start=1)]


def prove(statements: Sequence[Read]) -> None:
    """Check every proof. Raises `ProofError` `proof.false` naming the first that is not proven."""
    proven = check.verify_all([one.assertion for one in statements])
    if False in proven:
        number = proven.index(False)
        one = statements[number]
        raise ProofError(
            "proof.false",
            f"Statement {number + 1} ({one.kind}) is not proven: {one.said.proven}.",
            "Its proof is for other points or another place, or something was changed. Ask whoever made the file for it"
            " again; each statement is proven for one chain, actor, interval or sequence, round and key.",
        )


def verify(file: StatementsFile, genesis: Genesis, *, anchored: bool = False) -> Proven:
    """Check proofs, facts and chain. With `anchored`, every point has to stand on the ledger, else `proof.unanchored`.

    Raises `ProofError`: as `read`, `prove` and `verify_bundle`, and `proof.chain`.
    """
    statements = read(file)
    chain_id = genesis.chain_id()
    for number, one in enumerate(statements, start=1):
        if one.where.chain_id != chain_id:
            raise ProofError(
                "proof.chain",
                f"Statement {number} is for chain {one.where.chain_id}, the genesis document for {chain_id}.",
                "Give the genesis document of the statement's chain with --genesis.",
            )
    facts = [verify_bundle(fact, genesis) for fact in file.facts]
    prove(statements)
    stands = dict(found for fact in facts for found in standing(fact))
    shown = [_shown(one, stands) for one in statements]
    free = [point for one in shown for point, place in one["points"].items() if place is None]
    if anchored and free:
        raise ProofError(
            "proof.unanchored",
            f"Nothing in the file shows that {free[0]} is on the ledger.",
            "Add the bundle that `gridpact proof fetch` gives for its record: gridpact proof make --fact.",
        )
    return Proven(
        f"It is proven that {'; that '.join(one.said.proven for one in statements)}.",
        {
            "kind": "statements",
            "chain_id": chain_id,
            "statements": shown,
            "facts": [fact.sentence for fact in facts],
            "unanchored": free,
        },
    )


def explain(file: StatementsFile) -> list[Document]:
    """Per statement what was proven and what was not revealed, as one sentence. Raises as `read` and `prove`."""
    statements = read(file)
    prove(statements)
    return [
        {
            "statement": one.kind,
            "chain_id": one.where.chain_id,
            "explained": f"It is proven that {one.said.proven}; not revealed: {one.said.hidden}.",
        }
        for one in statements
    ]


def _read(one: Statement, number: int) -> Read:
    kind = KINDS.get(one.statement)
    if kind is None:
        raise ProofError("proof.kind", f"There are no statements of {one.statement!r}.", f"Kinds: {', '.join(KINDS)}.")
    try:
        where = parse(Place, one.where).where()
        about, bound = parse(kind.about, one.about), parse(kind.bound, one.bound)
        assertion = kind.build(where, about, bound, bytes.fromhex(one.proof))
    except (ValueError, OverflowError) as error:
        raise ProofError(
            "proof.malformed",
            f"Statement {number} is no {one.statement}: {error}.",
            f"Give the file that `{WRITER}` wrote, unchanged.",
        ) from None
    made_of = {
        bytes.fromhex(point): [(factor, bytes.fromhex(term)) for factor, term in terms]
        for point, terms in one.made_of.items()
    }
    for point, terms in made_of.items():
        _check_sum(point, terms, number)
    return Read(one.statement, where, about, kind.say(where, about, bound), assertion, made_of)


def _check_sum(point: bytes, terms: list[tuple[int, bytes]], number: int) -> None:
    try:
        points = [native.decode_point(term) for _, term in terms]
        total: Point = native.multiexp(points, [native.scalar(factor % ORDER) for factor, _ in terms])
        is_sum = total == native.decode_point(point)
    except ValueError:
        is_sum = False
    if not is_sum:
        raise ProofError(
            "proof.parts",
            f"In statement {number}, {point.hex()} is not the sum that the file makes it of.",
            "Each term is a factor and a point of 48 bytes; their sum is the point that is proven about.",
        )


def _shown(one: Read, stands: dict[str, str]) -> Document:
    def place(point: bytes) -> str | None:
        if (found := stands.get(point.hex())) is not None:
            return found
        terms = [stands.get(term.hex()) for _, term in one.made_of.get(point, ())]
        return f"sum of {', '.join(map(str, terms))}" if terms and None not in terms else None

    return {
        "statement": one.kind,
        "where": render_place(one.where),
        "proven": one.said.proven,
        "not_revealed": one.said.hidden,
        "points": {point.hex(): place(point) for point in points_of(one.about)},
    }


def render_place(where: Where) -> Document:
    """A place in its JSON form."""
    document: Document = render(Place(*where))
    return document
