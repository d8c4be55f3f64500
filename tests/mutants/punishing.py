"""Faults in what a contradiction costs: bond, name, the whistleblower's share, and that it ends there."""

from __future__ import annotations

from tests.mutants.plant import Edit, Mutant
from tests.mutants.schedules import LEAVING_LIAR

PUNISHING = (
    Mutant(
        "unlocking-unslashed",
        "what an offender has taken out of its bond is saved",
        (
            Edit(
                "contracts.trust:slash",
                " + unlocking_tokens(trust)\n    without = _replace(trust, bonded_tokens=0, unlocking=(), ",
                "\n    without = _replace(trust, bonded_tokens=0, ",
            ),
        ),
        schedule=LEAVING_LIAR,
    ),
    Mutant(
        "slashed-tokens-vanish",
        "half of what an offender loses is nobody's",
        (Edit("contracts.trust:slash", "_fill_pool(state, taken, change)", "_fill_pool(state, taken // 2, change)"),),
        schedule=LEAVING_LIAR,
    ),
    Mutant(
        "reward-on-top",
        "the whistleblower's share is made out of nothing",
        (Edit("contracts.trust:pay", "-amount_tokens", "0"),),
        schedule=LEAVING_LIAR,
    ),
    Mutant(
        "reward-for-nobody",
        "whoever proposes the block with the evidence has nothing of it",
        (Edit("contracts.offences:_reward", "if not share or ", "if share or "),),
        schedule=LEAVING_LIAR,
    ),
    Mutant(
        "tombstone-forgotten",
        "an offender loses its bond and keeps its name",
        (Edit("contracts.trust:slash", "    insort(members, member)\n", ""),),
        schedule=LEAVING_LIAR,
    ),
    Mutant(
        "index-kept",
        "an offender's word weighs as much as before, once it has bonded again",
        (Edit("contracts.trust:slash", "index_ppm=0, ", ""),),
        schedule=LEAVING_LIAR,
    ),
    Mutant(
        "tombstoned-again",
        "each further contradiction of an offender is worth a block",
        (Edit("node.evidence:EvidencePool._settled", 'return "consensus.evidence-tombstoned"', "return None"),),
        schedule=LEAVING_LIAR,
    ),
)
