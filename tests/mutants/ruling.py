"""Faults in who decides: seatings, the power behind a change of the pact, and what wagers are lost for."""

from __future__ import annotations

from tests.mutants.plant import Edit, Mutant

RULING = (
    Mutant(
        "churn-unbounded",
        "an epoch takes over all bonds at once, however much moves",
        (
            Edit(
                "contracts.epochs:following",
                "applied if applied == wanted else power.advance(applied, wanted, at.turns, gone)",
                "wanted if len(wanted) >= power.MIN_ORGANISATIONS else applied",
            ),
        ),
    ),
    Mutant(
        "cap-of-a-third",
        "one of few organisations may have a third of the power",
        (Edit("consensus.power:largest_share", "FEW if", "Fraction(34, 100) if"),),
    ),
    Mutant(
        "bond-of-yesterday",
        "an epoch is seated by the bonds of the one before",
        (
            Edit(
                "contracts.epochs:following",
                "wanted, nodes = wanted_weights(state, at.seat_bond_tokens), ",
                "wanted, nodes = {one.id: one.weight for one in before.organisations}, ",
            ),
        ),
    ),
    Mutant(
        "half-is-law",
        "half of the power changes the pact",
        (
            Edit(
                "contracts.governance.proposals:_consider",
                "not is_quorum(ballot.approving_power, ballot.total_power)",
                "2 * ballot.approving_power <= ballot.total_power",
            ),
        ),
    ),
    Mutant(
        "approve-twice",
        "who agrees twice counts twice",
        (
            Edit(
                "contracts.governance.proposals:approve",
                "any(approval.member == sender for approval in ballot.approvals)",
                "False",
            ),
        ),
    ),
    Mutant(
        "equals-are-dear",
        "a solution as cheap as the fallback loses its wager",
        (Edit("contracts.wagers.judging:_verdict", "> case.threshold_nano", ">= 0"),),
    ),
    Mutant(
        "returned-wagers-vanish",
        "who gets its wager back has it neither wagered nor free",
        (Edit("contracts.trust:give_back", "trust.free_tokens + amount_tokens", "trust.free_tokens"),),
    ),
)
