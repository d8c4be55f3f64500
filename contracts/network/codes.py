"""The table of what is wrong with the voltages of a solution: every stable code with one sentence and a hint.

A `contracts.program.verdict.Refusal` names place and figures; this is what its code means in general. Codes are never
reused. What is wrong with a network that somebody proposes is in `contracts.codes`.
"""

from __future__ import annotations

from contracts.codes import Code

CODES: dict[str, Code] = {
    "network.voltages": Code(
        "The solution has not one voltage of each place for each binding interval.",
        "Attach them where the ledger's network has an AC model, in the order of its places, and nowhere else.",
    ),
    "network.reference": Code(
        "The voltage at the slack place has an angle.", "Count angles from the slack place: its imaginary part is 0."
    ),
    "network.voltage": Code(
        "The voltage at a place is outside its bounds.",
        "Dispatch otherwise, or hold voltages closer to nominal.",
    ),
    "network.active": Code(
        "Active power at a place is off by more than a millionth per unit.",
        "Solve the power flow of this very dispatch, and round its voltages to the nearest integers.",
    ),
    "network.reactive": Code(
        "Sources and compensators at a place would have to give more or less reactive power than they can.",
        "Hold that place at another voltage, or at none.",
    ),
    "network.line": Code(
        "More apparent power enters a line than its limit.", "Dispatch less over it, or hold voltages higher."
    ),
    "network.slack": Code(
        "The sources at the slack place can not make up what lines lose.",
        "Leave them room, or count losses closer to the real ones with `line_loss_ppm`.",
    ),
}
