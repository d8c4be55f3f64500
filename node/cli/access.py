"""`gridpact access`, `gridpact tx access`, `gridpact query access`: who may read a member's records, and who tried."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from node.cli import options
from node.cli.answer import Data, Rows, show
from node.cli.context import Connection, reader_key
from node.cli.form import Form, site_form
from node.cli.home import HomeDirectory
from node.cli.output import emit, line, reporting, table, utc
from node.cli.tx import send
from node.errors import NodeError

if TYPE_CHECKING:
    from contracts.governance.bodies import Reader, RecordKind

app = typer.Typer(help="Who asked for records that somebody keeps, and what this node's member may read.")
tx_app = typer.Typer(help="Say who may read your records.", no_args_is_help=True)

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
Kinds = Annotated[
    list[str] | None,
    typer.Option("--kind", help="Kind of records; may be repeated. `all`: every kind.", metavar="KIND"),
]


@tx_app.command()
@options.grouped
def allow(
    kind: Kinds = None,
    to: Annotated[list[str] | None, typer.Option("--to", help="Member id, role:NAME or everybody.")] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="Day in UTC like 2027-01-31 from which on it ends. Default: never.")
    ] = None,
    *,
    signing: options.Signing,
) -> None:
    """Let readers read kinds of your records. The first word about a kind closes it to everybody else."""
    from contracts.governance.bodies import AllowAccess

    with reporting(signing.as_json):
        kinds, readers, until_ms = _kinds(kind), _readers(to), _moment(until)
        if not readers:
            raise NodeError("cli.reader", "Nobody is named who may read.", "Add --to MEMBER, role:NAME or everybody.")
    document = {"member": signing.as_, "kinds": list(kinds), "readers": to, "until_ms": until_ms}
    end = "until it is revoked" if until_ms is None else f"until {utc(until_ms)}"
    text = f"{', '.join(to or ())} may read the {', '.join(kinds)} of {signing.as_} {end}; of others, nobody new."
    send(signing, "it", lambda _: (AllowAccess(kinds, readers, until_ms), document, lambda: _say(text, signing)))


@tx_app.command()
@options.grouped
def revoke(
    kind: Kinds = None,
    from_: Annotated[
        list[str] | None, typer.Option("--from", help="Member id, role:NAME or everybody. Default: all readers.")
    ] = None,
    *,
    signing: options.Signing,
) -> None:
    """Take kinds of your records from readers; without --from nobody but you may read them any more."""
    from contracts.governance.bodies import RevokeAccess

    with reporting(signing.as_json):
        kinds, readers = _kinds(kind), _readers(from_)
    document = {"member": signing.as_, "kinds": list(kinds), "readers": from_ or []}
    text = f"The {', '.join(kinds)} of {signing.as_} are closed to {', '.join(from_ or ()) or 'everybody else'}."
    send(signing, "it", lambda _: (RevokeAccess(kinds, readers), document, lambda: _say(text, signing)))


def _say(text: str, signing: options.Signing) -> None:
    line(text)
    line("See it with:")
    line(f"  gridpact query access {signing.as_}")


def access(
    member: Annotated[str | None, typer.Argument(help="Member id. Default: everybody who has a policy.")] = None,
    *,
    asking: options.Asking,
) -> None:
    """Who may read which records of whom."""

    def draw(data: Data, shown: Form) -> None:
        policies = [data] if member is not None else data["policies"]
        for policy in policies:
            _draw_policy(policy, shown)
        if not policies:
            line("Nobody has a policy: every record is open.")
        elif member is not None:
            line(f"Open to everybody: {', '.join(data['open']) or 'nothing else'}.")
        line(f"Nobody hides: {'; '.join(data['never_hidden'])}.")

    rows = Rows("policies", "policy_") if member is None else Rows("grants", "grant_")
    show("access", [] if member is None else [member], draw, asking, rows)


def _draw_policy(policy: Data, shown: Form) -> None:
    rows = []
    for kind in policy["kinds"]:
        grants = [grant for grant in policy["grants"] if grant["kind"] == kind]
        rows += [[kind, _name(one), "-" if one["until_ms"] is None else shown.time(one["until_ms"])] for one in grants]
        rows += [] if grants else [[kind, "nobody else", "-"]]
    if rows:
        table(f"Who else may read records of {policy['member']}", ["Kind", "Reader", "Until"], rows)


def _name(grant: Data) -> str:
    match grant["sort"]:
        case "member":
            return str(grant["reader"])
        case "role":
            return f"role:{grant['reader']}"
    return "everybody"


@app.command()
def log(home: HomeDirectory, as_json: options.Json = False) -> None:
    """What the node in a home refused to show, to whom, and what it showed by a grant. Reads files; newest last."""
    with reporting(as_json):
        from node.access.log import NAME, read_log
        from node.disk import RealDisk
        from node.render import render

        entries = [render(entry) for entry in read_log(RealDisk(), home / NAME)]
        emit(as_json, {"entries": entries}, lambda: _draw_entries(entries, site_form(options.DEVNET)))


@app.command()
@options.watchable
def refusals(
    as_: options.Reader = None,
    key: options.KeyFile = None,
    node: options.Node = None,
    directory: options.Devnet = options.DEVNET,
    as_json: options.Json = False,
) -> None:
    """Who asked a node for records of yours that you keep, and who read them by a grant."""
    with reporting(as_json):
        reader = reader_key(as_, key, directory)
        with Connection(node, directory) as connection:
            connection.sign_as(reader)
            answer = connection.run(connection.client.get("/refusals"))
        emit(as_json, answer, lambda: _draw_entries(answer["entries"], site_form(directory)))


@app.command()
def read(
    target: Annotated[str, typer.Argument(help="Path like /query/bill/1950850/campus, as of the node's RPC.")],
    home: HomeDirectory,
) -> None:
    """Read as the member that runs the node in a home, through its admin socket; prints one JSON document."""
    with reporting(True):
        import asyncio

        from node.admin import call

        answer = asyncio.run(call(home, {"cmd": "read", "target": target}))["answer"]
        emit(True, answer, lambda: None)


def _draw_entries(entries: list[dict[str, Any]], shown: Form) -> None:
    """One line per entry, which tells all of it."""
    for one in entries:
        asker = one["asker"] or "Somebody who had not signed"
        what = f"{', '.join(one['kinds']) or 'nothing in particular'} of {', '.join(one['owners']) or 'nobody'}"
        what += f" and {one['more']} more" if one["more"] else ""
        answer = "was shown" if one["code"] == "ok" else f"was refused ({one['code']})"
        times = "" if one["times"] == 1 else f" {one['times']} times"
        line(f"{shown.time(one['time_ms'])}: {asker} ({one['address']}) {answer}{times}: {what}. {one['target']}")
    if not entries:
        line("Nothing was refused.")


def _kinds(texts: list[str] | None) -> tuple[RecordKind, ...]:
    """Kinds of records. Raises NodeError `cli.record-kind`."""
    from contracts.governance.bodies import RECORD_KINDS

    if texts and "all" in texts:
        return RECORD_KINDS
    strange = [text for text in texts or () if text not in RECORD_KINDS]
    if strange or not texts:
        raise NodeError(
            "cli.record-kind",
            f"There are no records of kind {strange[0]!r}." if strange else "No kind of records is named.",
            f"Add --kind all, or some of {', '.join(RECORD_KINDS)}.",
        )
    return tuple(cast("list[RecordKind]", texts))


def _readers(texts: list[str] | None) -> tuple[Reader, ...]:
    """Readers by their names. Raises NodeError `cli.reader`."""
    from contracts.governance.bodies import MAX_READERS, Reader
    from contracts.policies import EVERYBODY

    made = []
    for text in texts or ():
        sort, colon, name = text.partition(":")
        if text == "everybody":
            made.append(Reader("all", EVERYBODY))
        elif not colon and text:
            made.append(Reader("member", text))
        elif sort == "role" and name:
            made.append(Reader("role", name))
        else:
            raise NodeError("cli.reader", f"{text!r} is no reader.", "Give a member id, role:NAME or everybody.")
    if len(made) > MAX_READERS:
        raise NodeError("cli.reader", f"{len(made)} readers are too many at once.", f"Name at most {MAX_READERS}.")
    return tuple(made)


def _moment(text: str | None) -> int | None:
    """Milliseconds of the start of a day in UTC. Raises NodeError `cli.until`."""
    if text is None:
        return None
    try:
        if not _DAY.match(text):
            raise ValueError(text)
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000
    except ValueError:
        raise NodeError("cli.until", f"{text!r} is no day.", "Write it like 2027-01-31.") from None
