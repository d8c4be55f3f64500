"""Refusals about carbon, sentence and hint of each; `contracts.codes.CODES` has them with all others."""

from __future__ import annotations

CARBON_CODES: dict[str, tuple[str, str]] = {
    "carbon.role": (
        "The sender is not a certifier.",
        "Have a member with the role `certifier` say so; governance gives the role.",
    ),
    "carbon.own": (
        "A certifier certifies nothing of its own.",
        "Ask another certifier: this meter, or this offset, is the sender's.",
    ),
    "factor.validity": (
        "The intervals of the certificate are not ahead, not in order, or too many.",
        "Begin with the next interval or later, end after that, within ten years.",
    ),
    "factor.range": (
        "Operating and embodied factor together leave the bounds.",
        "Keep their sum below 2^22 ug per Wh.",
    ),
    "factor.storage": (
        "A storage has no operating emission: what it gives carries what it took.",
        "Certify what is embodied in it, per discharged Wh, and 0 for operating.",
    ),
    "factor.taken": (
        "Another certifier's certificate counts in some of these intervals.",
        "Begin where that one ends; its certifier or the meter's owner may end it.",
    ),
    "factor.full": (
        "The meter has the maximum of certificates that may still count.",
        "Register again once older ones are out of reach.",
    ),
    "factor.party": (
        "The sender neither issued this certificate nor owns the meter.",
        "Have its certifier or the owner end it.",
    ),
    "factor.none": (
        "Nothing is certified for the meter from this interval on.",
        "Name the next interval or a later one that is certified.",
    ),
    "offset.exists": ("The certifier has used this serial.", "Give every offset a serial of its own."),
    "offset.unknown": ("There is no such offset.", "Name certifier and serial as `gridpact carbon certificates` does."),
    "offset.holder": ("The sender does not hold this offset.", "Have its holder say so."),
    "offset.retired": ("The offset is used up.", "Use another one: each counts once."),
    "offset.recipient": ("No member has the recipient's id.", "Name a member of this chain."),
    "offset.full": ("The recipient holds the maximum of offsets.", "Have it retire or pass on some first."),
    "origin.recipient": ("No member has the recipient's id.", "Name a member of this chain."),
    "origin.insufficient": (
        "The sender holds fewer certificates of this meter and cycle.",
        "`gridpact carbon certificates` shows what it holds; locked ones are free once their energy is discharged.",
    ),
    "retire.full": (
        "The sender has retired the maximum in this billing cycle.",
        "Retire larger parts, or in the next cycle.",
    ),
    "green.late": ("Offers of the interval are locked.", "Bid for a later interval."),
    "green.horizon": ("The interval is too far ahead.", "Bid nearer to now, within `horizon_intervals`."),
    "green.price": ("The premium is above the cap on offers.", "Keep it at or below `offer_cap_nano_per_wh`."),
    "green.full": ("The interval has the maximum of green bids.", "Bid for another interval."),
    "green.none": ("There is no green bid to withdraw.", "Bid for some energy, or leave it."),
}
