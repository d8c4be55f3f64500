"""Refusals about threshold keys, sentence and hint of each; `contracts.codes.CODES` has them with all others."""

from __future__ import annotations

CEREMONY_CODES: dict[str, tuple[str, str]] = {
    "ceremony.none": (
        "No threshold key is being made.",
        "Wait for the next attempt; it begins by itself where sealed dispatch is on.",
    ),
    "ceremony.attempt": (
        "This is about another attempt than the one that runs.",
        "Name epoch and attempt as `gridpact query threshold` shows them.",
    ),
    "ceremony.phase": (
        "The attempt takes this in another phase.",
        "Register, commit, deal and complain each in its phase, as `gridpact query threshold` shows it.",
    ),
    "ceremony.seat": (
        "The sender has no seat here.",
        "Seats are those of organisations with power, and those that registered a key have shares.",
    ),
    "ceremony.twice": ("The seat has said this already.", "Nothing to do: it counts once."),
    "ceremony.barred": (
        "The sender was silent or disqualified as a dealer, and may not deal before the next epoch.",
        "Register all the same: seats that do not deal still hold shares.",
    ),
    "ceremony.possession": (
        "It is not proven that the sender has the key that it shows.",
        "Prove it for this chain, epoch, attempt and seat.",
    ),
    "ceremony.commitment": (
        "The vector is not the one that the sender committed to.",
        "Show the polynomial whose digest was committed.",
    ),
    "ceremony.vector": (
        "The vector has another number of points than the threshold, or one of them is none.",
        "Give as many points of G1 as the threshold says, none of them the identity.",
    ),
    "ceremony.shares": (
        "There is not one share for every seat that registered.",
        "Seal one to each registered seat, in the order of their indices.",
    ),
    "ceremony.note": (
        "The ephemeral point of a share has no proof for this place.",
        "Seal every share afresh for this chain, epoch, attempt, dealer and seat.",
    ),
    "ceremony.dealer": (
        "The named dealer has dealt nothing to the sender here, or is disqualified already.",
        "Name a dealer whose shares still count, in an attempt that runs or whose key is held.",
    ),
    "ceremony.shown": (
        "The shown point is not proven to be that of the note.",
        "Show the note's own point by the key to which it was sealed.",
    ),
    "share.opening": (
        "Nothing with this number waits for shares.",
        "Answer what `gridpact query threshold` lists.",
    ),
    "share.proof": (
        "The share is not proven to be made with the sender's part of the key.",
        "Prove it for this key, round, tick, seat and sum.",
    ),
}
