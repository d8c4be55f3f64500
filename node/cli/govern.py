"""`gridpact govern ...`: what members propose, approve and have decided about the pact, and the rules in force."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli import options
from node.cli.answer import Data, Rows, show
from node.cli.context import Connection
from node.cli.form import Form
from node.cli.output import facts, line, reporting, table
from node.cli.tx import Reason, checked_reason, send
from node.errors import NodeError

if TYPE_CHECKING:
    from contracts.bodies import AccountBody
    from contracts.governance.changes import Change

app = typer.Typer(help="Change the pact: propose, approve, list, show.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(min=0, max=2**32 - 1, help="Number of a proposal.")]
Blocks = Annotated[int, typer.Option("--blocks", min=1, max=1_000_000, help="Blocks from now until it expires.")]
Epoch = Annotated[int, typer.Option("--epoch", min=0, max=2**32 - 1, help="First epoch; at least two ahead.")]
MemberId = Annotated[str, typer.Argument(help="Member id.")]
Values = Annotated[list[str], typer.Argument(help="FIELD=VALUE; what is left out stays.", metavar="FIELD=VALUE...")]
DEFAULT_BLOCKS = 10_000


# Queries


@app.command(name="list")
@options.grouped
def list_proposals(
    asking: options.Asking,
    before: Annotated[int | None, typer.Option("--before", min=0, help="Only those with a lower number.")] = None,
) -> None:
    """Proposals, newest first: what they would change, who approves, and what became of them."""

    def draw(data: Data, shown: Form) -> None:
        headings = ["No.", "Change", "Member", "By", "Approved (%)", "Status", "Until block"]
        rows = [
            [
                str(one["number"]),
                one["kind"],
                one["member"] or "-",
                one["proposer"],
                _percent(one),
                _status(one),
                str(one["expiry_height"]),
            ]
            for one in data["proposals"]
        ]
        table(f"Proposals ({data['count']} in all, {data['open']} open)", headings, rows, right=["No.", "Approved (%)"])
        line("Read one with: gridpact govern show NUMBER; agree with: gridpact govern approve NUMBER --as MEMBER")

    arguments = [] if before is None else [str(before)]
    show("proposals", arguments, draw, asking, Rows("proposals", "proposal_", ("change", "approvals")))


@app.command(name="show")
@options.grouped
def show_proposal(number: Number, asking: options.Asking) -> None:
    """A proposal in full."""

    def draw(data: Data, shown: Form) -> None:
        rows = [
            ["Change", data["kind"]],
            ["Reason", data["reason"]],
            ["Proposed by", f"{data['proposer']} in block {data['height']}, open until {data['expiry_height']}"],
            ["Status", _status(data)],
            ["Power that approves", f"{data['approving_power']} of {data['total_power']} ({_percent(data)}%)"],
            ["Approved by", ", ".join(one["member"] for one in data["approvals"]) or "nobody"],
        ]
        if data["epoch"] is not None:
            rows.append(["Epoch", f"{data['epoch']}, postponed {data['postponed']} times"])
        facts(f"Proposal {data['number']}", rows)
        facts("What it sets", _settings(data["change"]))

    show("proposal", [str(number)], draw, asking, Rows("approvals", "approval_", ("change",)))


@app.command()
@options.grouped
def rules(asking: options.Asking) -> None:
    """Rule set and parameters in force."""

    def draw(data: Data, shown: Form) -> None:
        rows = [["Rule set", str(data["rule_set"])], ["Since block", str(data["height"])]]
        facts("In force", rows)
        for name in ("params", "consensus"):
            facts(name.title(), _settings(data[name]))

    show("rules", [], draw, asking)


def _settings(data: Data) -> list[list[str]]:
    """Every field with its value, both as `propose-params` takes them."""
    return [[name, _written(value)] for name, value in _flat(data).items()]


def _written(value: object) -> str:
    match value:
        case str():
            return value
        case list() if not any(isinstance(one, (list, dict)) for one in value):
            return ",".join(map(_written, value)) or "(empty)"
    return json.dumps(value)


def _percent(one: Data) -> str:
    total = int(one["total_power"])
    return "-" if not total else f"{int(one['approving_power']) * 100 / total:.1f}"


def _status(one: Data) -> str:
    text = f"{one['status']} in block {one['status_height']}" if one["status"] != "open" else "open"
    return text if one["code"] == "ok" else f"{text} ({one['code']})"


# Approvals


@app.command()
@options.grouped
def approve(number: Number, *, signing: options.Signing) -> None:
    """Agree to a proposal."""
    from contracts.governance.bodies import Approve

    _say(signing, "Approved", number, Approve(number))


@app.command()
@options.grouped
def signal(number: Number, *, signing: options.Signing) -> None:
    """Say that the signer's nodes are ready for a rule set: the node that is asked must know it."""
    from contracts.governance.bodies import Approve

    with reporting(signing.as_json), Connection(signing.node, signing.directory) as connection:
        proposal = connection.run(connection.client.query("proposal", str(number)))["data"]
        known = connection.run(connection.client.status())["known_rule_sets"]
        if proposal is not None and proposal["kind"] == "set-rule-set" and proposal["change"]["rule_set"] not in known:
            raise NodeError(
                "cli.rule-set",
                f"The node knows the rule sets {', '.join(map(str, known))}, not {proposal['change']['rule_set']}.",
                "Install a release that knows it on every node of yours, then signal; or ask another node with --node.",
            )
    _say(signing, "Signalled", number, Approve(number))


@app.command()
@options.grouped
def withdraw(number: Number, *, signing: options.Signing) -> None:
    """Take back the signer's proposal, or its approval of somebody else's."""
    from contracts.governance.bodies import Withdraw

    _say(signing, "Withdrawn", number, Withdraw(number))


def _say(signing: options.Signing, title: str, number: int, body: AccountBody) -> None:
    def draw() -> None:
        table(title, ["Proposal", "Member"], [[str(number), str(signing.as_)]])
        line(f"See it with: gridpact govern show {number}")

    send(signing, "it", lambda _: (body, {"number": number, "member": signing.as_}, draw))


# Proposals


@app.command()
@options.grouped
def propose_member(
    file: Annotated[Path, typer.Argument(help="TOML: one [[members]] with keys and nodes, and its [[meters]].")],
    reason: Reason,
    blocks: Blocks = DEFAULT_BLOCKS,
    *,
    signing: options.Signing,
) -> None:
    """Admit a member, written as in a genesis document."""
    with reporting(signing.as_json):
        change = _admission(file)
    _propose(signing, lambda _: change, reason, blocks)


@app.command()
@options.grouped
def propose_removal(
    member: MemberId, reason: Reason, blocks: Blocks = DEFAULT_BLOCKS, *, signing: options.Signing
) -> None:
    """Remove a member."""
    from contracts.governance.changes import RemoveMember

    _propose(signing, lambda _: RemoveMember(member), reason, blocks)


@app.command()
@options.grouped
def propose_keys(
    file: Annotated[Path, typer.Argument(help="TOML: the [[members]] entry with all keys and nodes from now on.")],
    reason: Reason,
    blocks: Blocks = DEFAULT_BLOCKS,
    *,
    signing: options.Signing,
) -> None:
    """Replace the keys and nodes of a member."""
    from contracts.governance.changes import ReKey

    with reporting(signing.as_json):
        member = _admission(file).member
    change = ReKey(member.id, member.keys, member.nodes, member.encryption_key)
    _propose(signing, lambda _: change, reason, blocks)


@app.command()
@options.grouped
def propose_roles(
    member: MemberId,
    reason: Reason,
    roles: Annotated[list[str] | None, typer.Option("--role", help="A role; several times for several.")] = None,
    blocks: Blocks = DEFAULT_BLOCKS,
    *,
    signing: options.Signing,
) -> None:
    """Give a member these roles, and no others."""
    from contracts.governance.changes import SetRoles

    _propose(signing, lambda _: SetRoles(member, tuple(sorted(roles or ()))), reason, blocks)


@app.command()
@options.grouped
def propose_envelope(
    file: Annotated[Path, typer.Argument(help="TOML: one [[envelopes]] as in a genesis document.")],
    reason: Reason,
    device_key: Annotated[
        str | None, typer.Option("--device-key", help="New public key of the meter in hex, where that was revoked.")
    ] = None,
    blocks: Blocks = DEFAULT_BLOCKS,
    *,
    signing: options.Signing,
) -> None:
    """Set what no order may make of an asset: power, ramp, times of day, critical load, safe state."""
    from contracts.governance.changes import SetEnvelope

    with reporting(signing.as_json):
        from node.genesis_file import load_envelopes

        envelope, *more = load_envelopes(file)
        if more:
            raise NodeError("cli.value", f"{file} has several envelopes.", "Propose one at a time.")
        change = SetEnvelope(envelope, None if device_key is None else _public_key(device_key))
    _propose(signing, lambda _: change, reason, blocks)


@app.command()
@options.grouped
def propose_revocation(
    member: MemberId,
    public_key: Annotated[str, typer.Argument(help="Compromised key in hex: of the member, or of a meter of it.")],
    reason: Reason,
    blocks: Blocks = DEFAULT_BLOCKS,
    *,
    signing: options.Signing,
) -> None:
    """Silence a compromised key; what it may have controlled falls to its safe state."""
    from contracts.governance.changes import RevokeKey

    with reporting(signing.as_json):
        change = RevokeKey(member, _public_key(public_key))
    _propose(signing, lambda _: change, reason, blocks)


@app.command()
@options.grouped
def propose_params(
    values: Values, reason: Reason, blocks: Blocks = DEFAULT_BLOCKS, *, signing: options.Signing
) -> None:
    """Set parameters of the pact, from the block after the last approval on."""
    from contracts.governance.changes import SetParams
    from contracts.params import PactParams

    _propose(signing, lambda now: SetParams(_changed(PactParams, now["params"], values)), reason, blocks)


@app.command()
@options.grouped
def propose_consensus(
    values: Values, reason: Reason, epoch: Epoch, blocks: Blocks = DEFAULT_BLOCKS, *, signing: options.Signing
) -> None:
    """Set parameters of consensus, from an epoch on, with more than 5/6 of the power."""
    from contracts.genesis import ConsensusParams
    from contracts.governance.changes import SetConsensusParams

    def change(now: Data) -> Change:
        return SetConsensusParams(_changed(ConsensusParams, now["consensus"], values), epoch)

    _propose(signing, change, reason, blocks)


@app.command()
@options.grouped
def propose_rules(
    version: Annotated[int, typer.Argument(min=1, max=255, help="Version of the rule set.")],
    reason: Reason,
    epoch: Epoch,
    blocks: Blocks = DEFAULT_BLOCKS,
    *,
    signing: options.Signing,
) -> None:
    """Change the rule set, from an epoch on, with more than 5/6 of the power."""
    from contracts.governance.changes import SetRuleSet

    _propose(signing, lambda _: SetRuleSet(version, epoch), reason, blocks)


@app.command()
@options.grouped
def propose_network(
    file: Annotated[Path, typer.Argument(help="TOML: [network] with all places, lines and envelopes from now on.")],
    reason: Reason,
    blocks: Blocks = DEFAULT_BLOCKS,
    *,
    signing: options.Signing,
) -> None:
    """Replace the network of the site: its places and lines, and what members may move over them."""
    from contracts.codes import describe
    from contracts.governance.changes import SetNetwork
    from contracts.network.registration import problem_alone
    from node.genesis_file import load_network

    with reporting(signing.as_json):
        network = load_network(file)

    def change(now: Data) -> Change:
        found = problem_alone(network, now["params"]["interval_ms"])
        if found is not None:
            raise NodeError(found.code, f"network.{found.where}: {found.message}.", describe(found.code).hint)
        return SetNetwork(network)

    _propose(signing, change, reason, blocks)


def _propose(signing: options.Signing, change: Any, reason: str, blocks: int) -> None:
    """`change` makes the content from the rules in force."""
    from contracts.governance.bodies import Propose

    def make(connection: Connection) -> tuple[AccountBody, dict[str, Any], Any]:
        answer = connection.run(connection.client.query("rules"))
        expiry = answer["height"] + blocks
        body = Propose(change(answer["data"]), checked_reason(reason), expiry)

        def draw() -> None:
            table("Proposed", ["By", "Reason", "Until block"], [[str(signing.as_), reason, str(expiry)]])
            line("Find its number with: gridpact govern list")

        return body, {"member": signing.as_, "reason": reason, "expiry_height": expiry}, draw

    send(signing, "the proposal", make)


def _public_key(text: str) -> bytes:
    """Raises NodeError `cli.value`."""
    from zk.ed25519 import PUBLIC_KEY_BYTES

    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != PUBLIC_KEY_BYTES:
        raise NodeError("cli.value", f"{text!r} is no public key.", "Copy the 64 hex digits of `gridpact query meter`.")
    return key


def _admission(path: Path) -> Any:
    from node.genesis_file import load_admission

    return load_admission(path)


def _changed(type_: type[Any], now: Data, values: list[str]) -> Any:
    """The parameters in force with these values; `a.b` names a field of a group. Raises NodeError `cli.value`."""
    import msgspec

    known = _flat(now)
    changed = msgspec.convert(_fields(type_, known), type_, strict=False)
    for value in values:
        name, equals, text = value.partition("=")
        if name not in known or not equals:
            names = ", ".join(known)
            raise NodeError("cli.value", f"{value!r} sets no field.", f"Write FIELD=VALUE with one of {names}.")
        known[name] = [part for part in text.split(",") if part] if isinstance(known[name], list) else text
        try:
            changed = msgspec.convert(_fields(type_, known), type_, strict=False)
        except msgspec.ValidationError as error:
            # All values before it fit, so it is this one, and its place in the encoding tells people nothing.
            said = str(error).partition(" - at ")[0]
            raise NodeError("cli.value", f"{value!r} does not fit: {said}.", "See `gridpact govern rules`.") from None
    return changed


def _flat(data: Data, prefix: str = "") -> dict[str, Any]:
    """Every value by its name, those of groups behind the group's."""
    flat: dict[str, Any] = {}
    for name, value in data.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def _fields(type_: type[Any], flat: dict[str, Any], prefix: str = "") -> list[Any]:
    """Values in the order of the fields, groups as lists of their own."""
    import msgspec

    return [
        flat[prefix + field.name]
        if prefix + field.name in flat
        else _fields(field.type, flat, f"{prefix}{field.name}.")
        for field in msgspec.structs.fields(type_)
    ]
