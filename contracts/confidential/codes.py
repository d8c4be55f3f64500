"""Refusals about hidden money, sentence and hint of each; `contracts.codes.CODES` has them with all others."""

from __future__ import annotations

CONFIDENTIAL_CODES: dict[str, tuple[str, str]] = {
    "confidential.key-same": ("The sender has or had this note key.", "Nothing to do; or register a new one."),
    "confidential.key-full": (
        "The sender has had the maximum of note keys.",
        "Go on with the last one.",
    ),
    "confidential.possession": (
        "The proof does not show that the sender knows the secret of the note key.",
        "Prove it for this chain, this member and this point, as `gridpact wallet create` does.",
    ),
    "confidential.empty": (
        "The sender has no hidden balance.",
        "Deposit first, or accept what waits, as `gridpact wallet show` lists it.",
    ),
    "confidential.sequence": (
        "The balance has changed since: the transaction is for another sequence of the account.",
        "Make it anew from the account as `gridpact query hidden MEMBER` shows it.",
    ),
    "confidential.sequence-full": (
        "The account has changed as often as one can.",
        "Spend from another member's: 4,294,967,295 changes.",
    ),
    "confidential.self": ("The sender is the recipient.", "Nothing to do: the money is there."),
    "confidential.recipient": (
        "The recipient has no note key, so nobody could tell it the amount.",
        "Have it make a wallet: `gridpact wallet create`.",
    ),
    "confidential.pending-full": (
        "The maximum of items waits for the recipient.",
        "Send again once it has accepted some, or they went back: 256 at most.",
    ),
    "confidential.items-full": ("There were as many spends as there can be.", "Transfer in public."),
    "confidential.fee": (
        "The public balance does not cover the fees of spends that are not billed yet.",
        "Withdraw some first; `spend_fee_nano` of the parameters is the fee of one.",
    ),
    "confidential.point": (
        "The commitment is no point of the group, or the identity.",
        "Give 48 bytes, compressed, of a point of the prime-order subgroup.",
    ),
    "confidential.proof": (
        "The proof does not show that amount and rest are no debts.",
        "Move what the balance covers, at least 1 nano, and prove it for this account as it stands.",
    ),
    "confidential.nothing": ("Nothing is named to accept.", "Name items that wait, or the credits."),
    "confidential.item": (
        "The items are not ascending, or one does not wait for the sender.",
        "Name items that `gridpact query hidden MEMBER` lists, each once, sorted.",
    ),
    "confidential.credits": (
        "The credits are not what the sender takes them for.",
        "Accept them as they stand: something was credited, or they were accepted already.",
    ),
}
