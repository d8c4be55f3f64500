"""From a status document to findings. Pure: the same document gives the same findings.

The document is that of a running node (`gridpact status --json`), or the part of it that a stopped home still knows.
It comes from a stranger: what is missing or of another kind is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from consensus.quorum import is_quorum
from consensus.refusals import CODES

Severity = Literal["error", "warning", "note"]
Document = Mapping[str, Any]

SKEW_MS = 2_000
"""A node's clock may be this far behind the newest block before it is called slow."""
RESTORED = "It was restored from a backup and signs nothing until it has caught up and then seen two heights decided."
CALM = ("idle", "decided", "unknown")
"""Phases in which nobody's vote is waited for."""


class Finding(NamedTuple):
    """`code` never changes its meaning; `fix` is a command or what to do, empty when there is nothing to do."""

    code: str
    severity: Severity
    sentence: str
    fix: str = ""

    def document(self) -> dict[str, str]:
        """JSON-ready."""
        return self._asdict()


def diagnose(status: Document) -> list[Finding]:
    """What a status document says is wrong, the worst first."""
    found = [*_height(status), *_peers(status), *_clock(status), *_counters(status)]
    return worst_first(found)


def worst_first(found: list[Finding]) -> list[Finding]:
    """Errors, then warnings, then notes, each in the order they were found."""
    return sorted(found, key=lambda finding: ("error", "warning", "note").index(finding.severity))


def seats(status: Document) -> list[dict[str, Any]]:
    """What each seat has said in the present round: id, power, prevoted, precommitted, and whether a link is up."""
    consensus = _table(status, "consensus")
    power = {str(name): _number(value) for name, value in _table(consensus, "power").items()}
    now = _present_round(consensus)
    linked = {
        str(peer.get("id")): bool(peer.get("connected")) and not peer.get("blocked") for peer in _peers_of(status)
    }
    own = status.get("node")
    return [
        {
            "id": name,
            "power": power[name],
            "prevoted": name in _names(now, "prevoted"),
            "precommitted": name in _names(now, "precommitted"),
            "linked": True if name == own else linked.get(name),
        }
        for name in power
    ]


# The open height


def _height(status: Document) -> Iterator[Finding]:
    consensus = _table(status, "consensus")
    height, phase = _number(consensus.get("height")), str(consensus.get("phase", "unknown"))
    if status.get("syncing"):
        best = _number(status.get("best_peer_height"))
        yield Finding("node.catching-up", "note", f"It catches up: height {status.get('height')} of {best}.")
    if consensus and consensus.get("seat") is False:
        yield Finding("node.no-seat", "note", f"It has no seat at height {height}: it follows and signs nothing.")
    if status.get("restored"):
        yield Finding(
            "node.restored",
            "warning",
            RESTORED,
            "Keep it running and linked to others that decide.",
        )
    stuck = status.get("stuck")
    if phase == "idle" and not stuck and not status.get("stopped"):
        yield Finding("chain.idle", "note", f"Height {height} is idle: nothing waits for a block, so nothing is stuck.")
    if stuck or status.get("stopped"):
        if stuck:
            yield Finding("chain.stuck", "error", str(stuck))
        if phase not in CALM:
            votes = _votes(status, consensus, height, phase)
            # What a stopped node last knew of a height is no trouble by itself: the others may have decided it.
            yield from (vote._replace(severity="note") for vote in votes) if status.get("stopped") else votes


def _votes(status: Document, consensus: Document, height: int, phase: str) -> Iterator[Finding]:
    """Who is waited for, and what else the height needs."""
    now, where = _present_round(consensus), f"height {height}, round {_number(consensus.get('round'))}, step {phase}"
    if consensus.get("missing_block"):
        yield Finding(
            "chain.block-missing",
            "error",
            f"Height {height} is decided, and block {str(consensus['missing_block'])[:16]} is not here.",
            "Link this node to one that voted for it: it is fetched by itself.",
        )
        return
    if consensus.get("missing_payloads"):
        yield Finding(
            "chain.payload-missing",
            "error",
            f"At {where} transactions of a proposed block are missing here.",
            "Link this node to the proposer, or to any node that has prevoted.",
        )
    proposer, proposal = str(now.get("proposer", "?")), str(now.get("proposal", "missing"))
    if proposal == "missing":
        yield Finding(
            "chain.no-proposal",
            "warning",
            f"At {where} {proposer} has not proposed.",
            f"Nothing, if this passes with the round; else start {proposer}.",
        )
    elif proposal in CODES:
        code = "clock.untimely" if proposal == "consensus.untimely" else "chain.proposal-refused"
        fix = (
            f"Set the clocks of this node and of {proposer} by NTP."
            if code == "clock.untimely"
            else "If others have prevoted for it, this node differs: compare versions, run `gridpact doctor` there."
        )
        yield Finding(
            code,
            "error",
            f"At {where} this node refused the proposal of {proposer} ({proposal}): {CODES[proposal]}.",
            fix,
        )
    step = "precommitted" if phase == "precommit" else "prevoted"
    power = {str(name): _number(value) for name, value in _table(consensus, "power").items()}
    got = [name for name in power if name in _names(now, step)]
    missing = [name for name in power if name not in got]
    have, total = sum(power[name] for name in got), sum(power.values())
    if total and not is_quorum(have, total):
        away = [one["id"] for one in seats(status) if one["id"] in missing and one["linked"] is False]
        yield Finding(
            "chain.no-quorum",
            "error",
            f"At {where} {have} of {total} power has {step} ({_with_power(got, power)}), and more than two thirds is "
            f"needed. Missing: {_with_power(missing, power)}"
            + (f"; without a link from here: {', '.join(away)}." if away else "."),
            "End the partition: gridpact devnet heal"
            if any(peer.get("blocked") and peer.get("id") in missing for peer in _peers_of(status))
            else f"Start what is down of {', '.join(missing)} (`gridpact start --home HOME`, on a devnet `gridpact "
            "devnet restart NAME`), and run `gridpact doctor --home HOME` there.",
        )


def _with_power(names: list[str], power: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {power[name]}" for name in names) or "nobody"


def _present_round(consensus: Document) -> Document:
    wanted = consensus.get("round")
    rounds = consensus.get("rounds")
    for entry in rounds if isinstance(rounds, list | tuple) else ():
        if isinstance(entry, dict) and entry.get("round") == wanted:
            return entry
    return {}


# Peers, clock, counters


def _peers(status: Document) -> Iterator[Finding]:
    peers = _peers_of(status)
    for peer in peers:
        name, address = str(peer.get("id", "?")), str(peer.get("address", "?"))
        if peer.get("blocked"):
            yield Finding(
                "peer.partitioned", "error", f"The link to {name} is cut by a partition.", "gridpact devnet heal"
            )
        elif not peer.get("connected"):
            since_s, reason = _number(peer.get("since_ms")) // 1_000, peer.get("last_reason") or "no attempt yet"
            yield Finding(
                "peer.unreachable",
                "warning",
                f"No link to {name} at {address} for {since_s} s ({reason}).",
                f"See that {name} runs and that {address} is open from here; the address is in the genesis document or "
                "under [p2p] seeds in config.toml.",
            )
        refused = _table(peer, "refusals")
        worst = [code for code in refused if str(code).startswith(("codec.", "consensus.", "sync.", "tx.signature"))]
        if worst:
            counts = ", ".join(f"{code} {refused[code]}" for code in sorted(worst))
            yield Finding(
                "peer.misbehaves",
                "warning",
                f"{name} sent what no honest node sends: {counts}.",
                f"Tell its operator. This node drops its link when it goes on; {name} can slow nobody else.",
            )
    if peers and not any(peer.get("connected") for peer in peers):
        yield Finding(
            "peer.none",
            "error",
            "No peer is linked at all.",
            "Check this machine's network, the p2p port in config.toml and its firewall.",
        )


def _clock(status: Document) -> Iterator[Finding]:
    now_ms, block_ms = _number(status.get("time_ms")), _number(status.get("block_time_ms"))
    if block_ms - now_ms > SKEW_MS:
        yield Finding(
            "clock.behind",
            "error",
            f"Its clock is {(block_ms - now_ms) / 1_000:.1f} s behind the newest block: proposals look untimely to it.",
            "Set the clock by NTP (`timedatectl set-ntp true`); nothing has to be restarted.",
        )


_COUNTED: tuple[tuple[str, str, Severity, str, str], ...] = (
    (
        "signer.double",
        "signer.double",
        "warning",
        "It was asked {n} times to sign what its key has signed otherwise, and did not.",
        "See that no other node runs with this key. After a restart a few are normal.",
    ),
    (
        "consensus.conflict",
        "chain.contradiction",
        "warning",
        "It saw validators contradict themselves {n} times.",
        "gridpact query offences",
    ),
    (
        "consensus.decided-invalid",
        "chain.decided-invalid",
        "error",
        "A quorum decided a block that is invalid here.",
        "Run the same version as the others; if it is the same, members must talk: more than a third may be faulty.",
    ),
    (
        "consensus.share",
        "peer.share",
        "warning",
        "A peer has used up its share of the journal in this height; {n} of its messages were not heard.",
        "gridpact status --json shows under `peers` who sends so much.",
    ),
    (
        "mempool.full",
        "mempool.full",
        "warning",
        "It refused {n} transactions because its pool was full.",
        "Wait, or raise [mempool] in config.toml if memory allows.",
    ),
    (
        "mempool.proofs",
        "mempool.proofs",
        "warning",
        "Somebody signs false proofs or passes them on; {n} transactions were refused without a look at them.",
        "Its counters show which proofs were false (`...proof`, `...possession`); their sender has to make them anew.",
    ),
)


def _counters(status: Document) -> Iterator[Finding]:
    counters = _table(status, "counters")
    for name, code, severity, sentence, fix in _COUNTED:
        if _number(counters.get(name)):
            yield Finding(code, severity, sentence.format(n=_number(counters[name])), fix)


# Reading what a stranger wrote


def _table(document: Document, name: str) -> Document:
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _names(document: Document, name: str) -> list[str]:
    value = document.get(name)
    return [str(one) for one in value] if isinstance(value, list | tuple) else []


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _peers_of(status: Document) -> list[Document]:
    peers = status.get("peers")
    return [peer for peer in peers if isinstance(peer, dict)] if isinstance(peers, list | tuple) else []
