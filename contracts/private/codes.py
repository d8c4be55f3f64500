"""Refusals about hidden energy, sentence and hint of each; `contracts.codes.CODES` has them with all others."""

from __future__ import annotations

PRIVATE_CODES: dict[str, tuple[str, str]] = {
    "meter.private": (
        "The meter is registered private: it takes no part in intervals.",
        "Offer, promise and order with open meters; a private meter settles by the billing cycle.",
    ),
    "reading.open": (
        "The meter is registered private, and this reading shows its registers.",
        "Send a committed reading; what was shown stays shown.",
    ),
    "reading.point": (
        "A commitment of the reading is no point that may be one.",
        "Commit as `zk.pedersen.commit` does: 48 bytes, in the prime-order group, not the identity.",
    ),
    "reading.monitor": (
        "The chain of monitoring records is shorter than the meter said before.",
        "Records are added to a chain and never taken away; one that begins anew belongs to another meter.",
    ),
    "reading.cycles-full": (
        "Too many billing cycles wait for their end.",
        "Send the same reading again once one of them is done.",
    ),
    "private.meter": (
        "The meter is not private, or belongs to another member.",
        "Name a private meter of your own.",
    ),
    "private.cycle": (
        "The campus has no such billing cycle that waits for anything.",
        "A cycle begins with the first private reading of it; `gridpact query cycle` shows those that are not done.",
    ),
    "private.phase": (
        "The billing cycle is not in the phase in which this counts.",
        "`gridpact query cycle` says in which it is: uses, complaints, the split, answers and payments follow each "
        "other.",
    ),
    "private.silent": (
        "The meter has said nothing in this cycle since it was settled last.",
        "Send its reading before the cycle closes; what it uses is then in the next cycle.",
    ),
    "private.proven": ("The use of the meter in this cycle stands already.", "Nothing to do: it counts once."),
    "private.bounds": (
        "The parties agreed on no bounds for this meter, so nothing is wider than they are.",
        "Prove what its rating allows, without `wide`.",
    ),
    "private.note-key": (
        "The recipient of the note has no note key on the ledger.",
        "Have it make one with its wallet: `gridpact wallet create`.",
    ),
    "private.note": (
        "The note does not carry the proof that its sender made it.",
        "Seal it for this meter and cycle, to the recipient's registered note key.",
    ),
    "private.proof": (
        "The proof does not show what it has to of what is on the ledger.",
        "Prove the very difference of the registers in state, for this meter and cycle, in the range that is named.",
    ),
    "private.no-note": ("There is no such note to complain of.", "Name a use or a share of this cycle that stands."),
    "private.recipient": ("The note was not sent to the sender of the complaint.", "Only its recipient can open it."),
    "private.shares": (
        "The shares are not one for each private source of the campus, ascending, and each a point.",
        "Split among the sources that `gridpact query cycle` lists, in that order.",
    ),
    "private.sum": (
        "Shares and what is held back do not add up to the cycle's total.",
        "Choose the last blinding so that they do: the total's less the others'.",
    ),
    "private.held": (
        "More would be held back than estimates that still stand put into totals, or less than nothing.",
        "Hold back at most what the cycle shows as estimated; give it out once the meters have spoken.",
    ),
    "private.awards": (
        "Sealed dispatch pays the sources of this cycle.",
        "Nothing to do: a cycle is split or paid by awards, never both.",
    ),
    "private.delivery": (
        "The source's own use of this cycle is not proven, so there is nothing to compare with.",
        "Prove it before the cycle's uses are counted; without it the share stands.",
    ),
    "private.answered": ("What the source is paid for is decided.", "Nothing to do: it is decided once."),
    "private.bill": (
        "The meter has no bill of this cycle that waits to be paid.",
        "`gridpact query cycle` shows what is decided and not paid.",
    ),
    "private.amount": (
        "The payment is not the tariff times what the meter is billed for, to the member that it is owed to.",
        "Spend with the bill's opening times the tariff, value and blinding.",
    ),
    "private.reading": (
        "The newest reading of the meter with such a record is another one, or it proved no delivery in this cycle.",
        "Show a field of the reading that `gridpact query private-meter` has as the newest; a reserve, after its use.",
    ),
    "private.range": (
        "The bounds hold nothing, or go beyond what the field or the nameplate can be.",
        "Name a lower and a higher bound; a reserve lies between 0 and at most what the rating gives in the cycle.",
    ),
    "private.green": (
        "The meter is no load to which its campus sells a green share.",
        "Leave the green share out, or agree on `green_nano_per_wh`.",
    ),
    "private.few": (
        "Fewer than three members bought green energy in this cycle.",
        "Nothing to do: of so few nothing is sold, since the sum would tell what each bought.",
    ),
    "private.retired": ("The green energy of this cycle is accounted for.", "Nothing to do: it counts once."),
    "private.lots": (
        "The certificates are not as many as the green energy that was sold.",
        "Name certificates for exactly the sum that you open.",
    ),
}
