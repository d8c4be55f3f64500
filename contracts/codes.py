"""The table of refusals: every stable code with one sentence, and a hint that says what would be right.

Codes are never reused. Receipts carry the code alone; people are shown the sentence.
"""

from __future__ import annotations

from typing import NamedTuple

from contracts.carbon.codes import CARBON_CODES
from contracts.ceremony.codes import CEREMONY_CODES
from contracts.confidential.codes import CONFIDENTIAL_CODES
from contracts.private.codes import PRIVATE_CODES
from contracts.sealed.codes import SEALED_CODES


class Code(NamedTuple):
    """What a code means to a person."""

    message: str
    hint: str


CODES: dict[str, Code] = {
    "ok": Code("The transaction was executed.", ""),
    # Envelopes, before any state is read
    "codec.oversized": Code("The envelope is larger than 256 KiB.", "Send a smaller one."),
    "codec.malformed": Code(
        "The bytes are not an envelope.", "Encode as typed MessagePack, integers inside their bounds."
    ),
    "codec.non-canonical": Code("The encoding is not canonical.", "Use the shortest MessagePack form of every value."),
    "tx.wrong-chain": Code("The envelope is for another chain.", "Use the chain id that `gridpact status` shows."),
    "tx.signature": Code(
        "The signature does not cover the envelope.",
        "Sign with the key whose public half is in the envelope.",
    ),
    "tx.expired": Code("The expiry height has passed.", "Sign again with a later expiry height."),
    # Who speaks
    "tx.nonce": Code(
        "The nonce is not the next one of this key.",
        "Use the key's next nonce, as `gridpact query member` shows it; a gap must be filled first.",
    ),
    "member.unknown": Code("No member has the sender's id.", "Send as a member of this chain."),
    "key.unknown": Code(
        "The public key is not registered with the sender.", "Sign with one of the member's account keys."
    ),
    "key.scope": Code("The key may not call this contract.", "Sign with a key whose scope is `all` or this contract."),
    "budget.exceeded": Code(
        "The key or meter has used its unit budget of this interval.", "Send again in the next interval."
    ),
    "amount.range": Code(
        "A sum would leave the bounds of energy, money or tokens.",
        "Use smaller amounts: energy stays below 2^40 Wh, money below 2^63 nano, tokens below 2^63.",
    ),
    # Metering
    "meter.unknown": Code("No meter has this id.", "Use a meter of this chain."),
    "meter.key": Code("The key is not the meter's.", "Sign readings with the meter's registered key."),
    "meter.stopped": Code("The meter's member was removed from the pact.", "Have the meter admitted with a member."),
    "reading.committed": Code(
        "The meter is not registered private.", "Send a plain reading, or have the meter admitted as a private one."
    ),
    "reading.gap": Code(
        "Readings before this one are missing.",
        "Send the missing sequences; then this reading may be sent again as it is.",
    ),
    "reading.replay": Code("The sequence was used by an earlier reading.", "Continue after the head of the meter."),
    "reading.duplicate": Code("This very reading is on the ledger already.", "Nothing to do: it counts once."),
    "reading.fork": Code(
        "The reading contradicts the meter's hash chain.",
        "Link to the hash of the meter's last accepted reading, and sign each sequence once.",
    ),
    "reading.future": Code(
        "The interval of the reading has not started.",
        "Send the same reading again once ledger time has reached the interval.",
    ),
    "reading.interval": Code(
        "The interval lies before that of the meter's last reading.", "Readings follow each other in time."
    ),
    "reading.backwards": Code(
        "A register is lower than in the meter's last reading.",
        "Registers are cumulative; a meter that starts anew is registered anew.",
    ),
    "reading.rating": Code(
        "A register grew by more than the equipment's rating allows.",
        "Check the register, or have the rating corrected.",
    ),
    "reading.open-full": Code(
        "The meter has reported the maximum of intervals that are not settled yet.",
        "Send the same reading again once intervals have settled.",
    ),
    "reading.quality": Code(
        "The quality record is physically impossible.",
        "Check units and sensors: ratios are in ppm, the temperature is in thousandths of a degree.",
    ),
    "reading.reserve": Code(
        "The reserve is more than the meter's registered capacity, or its generation more than the rating.",
        "Report what the equipment can hold and give.",
    ),
    "reading.charge": Code(
        "The charge that the storage reports is further from what its registers say than `soc_tolerance_wh`.",
        "Check the unit (Wh) and the gauge; a reading without a reserve record is taken in any case.",
    ),
    "correction.owner": Code("The meter belongs to another member.", "Correct readings of your own meters."),
    "correction.open": Code(
        "The interval is not settled, so there is nothing to correct.",
        "Send another reading of the interval; the last one settles.",
    ),
    "correction.final": Code(
        "The interval closed more than 35 days ago and is final.", "Nothing to do: it is billed no more."
    ),
    "correction.unknown": Code(
        "No reading with this sequence settled the interval.",
        "Name the last reading of the interval; estimates are trued up by readings.",
    ),
    "correction.rating": Code(
        "The energy is more than the meter's rating allows in an interval.", "Check the units: energies are whole Wh."
    ),
    "correction.favour": Code(
        "The correction is in the owner's own favour.",
        "Only against oneself is an owner's word enough; otherwise the meter of a registered line decides.",
    ),
    "correction.same": Code("The interval is billed like this already.", "Nothing to do: it counts once."),
    "correction.full": Code(
        "The meter has the maximum of corrections waiting.", "Send it again once intervals have closed."
    ),
    # Market
    "need.late": Code("The gate of the first interval has passed.", "Ask for a later interval."),
    "need.horizon": Code("The last interval is too far ahead.", "Stay inside `horizon_intervals`."),
    "need.price": Code(
        "The limit price is outside price floor and offer cap.", "Choose a limit between them, or none."
    ),
    "need.full": Code(
        "The interval, or the sender's share of it, holds the maximum of needs.",
        "Use fewer different limit prices and tiers; equal needs add up.",
    ),
    "offer.meter": Code("The meter belongs to another member.", "Offer from a meter of your own."),
    "offer.kind": Code(
        "The meter measures no source and no storage.", "Offer from a meter of kind `source` or `storage`."
    ),
    "offer.late": Code("The gate of the interval has passed.", "Offer for a later interval."),
    "offer.horizon": Code("The interval is too far ahead.", "Stay inside `horizon_intervals`."),
    "offer.order": Code(
        "The prices of the blocks do not rise strictly.", "Sort blocks by price and merge equal prices."
    ),
    "offer.price": Code("A price is outside price floor and offer cap.", "Offer between them."),
    "offer.rating": Code(
        "The blocks add up to more than the meter's rating delivers in an interval.", "Offer less energy."
    ),
    "offer.full": Code("The interval holds the maximum of offers.", "Offer for another interval."),
    "envelope.power": Code(
        "The blocks add up to more than the envelope of the asset lets it deliver in an interval.",
        "Offer at most what `gridpact query envelope METER` shows.",
    ),
    "envelope.time": Code(
        "The envelope of the asset lets no order move it during the whole of the interval.",
        "Offer for an interval inside its times of day, which `gridpact query envelope METER` shows.",
    ),
    "envelope.revoked": Code(
        "A key of the asset was revoked: it stays in its safe state.",
        "Give the device a new key, and have the members agree on an envelope with it.",
    ),
    "tariff.role": Code("The sender is not the site's utility.", "Only the utility writes tariffs."),
    "tariff.late": Code("The gate of the first interval has passed.", "Write tariffs ahead."),
    "tariff.horizon": Code("The last interval is too far ahead.", "Stay inside `horizon_intervals`."),
    "tariff.price": Code("A price is outside price floor and offer cap.", "Choose prices between them."),
    "offer.storage": Code(
        "The storage stands to be dispatched in this interval.",
        "A meter offers in one way: withdraw it with `gridpact tx storage` and nothing to charge and discharge.",
    ),
    # What can be moved in time
    "storage.meter": Code("The meter belongs to another member.", "Offer a storage of your own."),
    "storage.kind": Code(
        "The meter is no storage whose equipment is registered.",
        "Only a storage admitted with an asset (efficiency, charge) is dispatched by itself; others offer blocks.",
    ),
    "storage.late": Code("The gate of the first interval has passed.", "Offer for later intervals."),
    "storage.horizon": Code("The last interval is too far ahead.", "Stay inside `horizon_intervals`."),
    "storage.rating": Code(
        "The storage takes or gives less than this in an interval, or holds more back than it gives.",
        "Offer at most charge_w and discharge_w of its registration, and no more reserve than discharge.",
    ),
    "storage.price": Code("A price is outside price floor and offer cap.", "Offer between them."),
    "storage.blocks": Code(
        "Blocks of the storage stand for one of the intervals.",
        "A meter offers in one way: withdraw them with `gridpact tx offer` without blocks.",
    ),
    "storage.full": Code("One of the intervals has the maximum of storages.", "Offer for other intervals."),
    "load.late": Code("The gate of the first interval has passed.", "Begin with a later interval."),
    "load.horizon": Code("The deadline is too far ahead.", "Stay inside `horizon_intervals`."),
    "load.deadline": Code(
        "The deadline is not after the first interval, or more than 96 intervals after it.",
        "Name the first interval in which it may not be served any more.",
    ),
    "load.energy": Code(
        "The energy does not fit between first interval and deadline.", "Want less, more per interval, or a later end."
    ),
    "load.price": Code("The value is outside price floor and offer cap.", "Choose one between them."),
    "load.taken": Code("A load has or had this id.", "Choose a new id: each is used once."),
    "load.full": Code(
        "The maximum of flexible loads waits, of the member or of all.", "Want it again once some are served or over."
    ),
    "load.unknown": Code("The member has no load with this id.", "See them with `gridpact query loads`."),
    "load.closed": Code(
        "The load was withdrawn, or its last interval is locked.", "Nothing to do: nothing more is ordered for it."
    ),
    "reserve.meter": Code("The meter belongs to another member.", "Offer reserve of your own."),
    "reserve.kind": Code(
        "The meter measures no source.", "Offer reserve of a source here, of a storage with the storage itself."
    ),
    "reserve.late": Code("The gate of the first interval has passed.", "Offer for later intervals."),
    "reserve.horizon": Code("The last interval is too far ahead.", "Stay inside `horizon_intervals`."),
    "reserve.rating": Code(
        "The reserve is more than the meter's rating delivers in an interval.", "Hold less energy back."
    ),
    "reserve.price": Code("The price is above the offer cap.", "Offer at or below it."),
    "reserve.full": Code("One of the intervals has the maximum of reserves.", "Offer for other intervals."),
    "require.role": Code(
        "The sender is neither the campus nor the utility.", "Ask a member with one of these roles to require it."
    ),
    "require.late": Code("The gate of the first interval has passed.", "Require it of later intervals."),
    "require.horizon": Code("The last interval is too far ahead.", "Stay inside `horizon_intervals`."),
    "require.full": Code(
        "The maximum of members requires something of one of the intervals.", "Nothing to do: the strictest counts."
    ),
    # Network
    "network.order": Code(
        "Places, lines or envelopes of the network are not in their order, or one comes twice.",
        "Sort each by id, envelopes by member and place.",
    ),
    "network.place": Code(
        "A line, the slack or a meter is at a place that the network does not have.",
        "Name places of the network; a meter's is that of its asset, else its zone.",
    ),
    "network.ends": Code("A line ends where it begins.", "Let each line join two places."),
    "network.reactance": Code(
        "A line has no reactance, so nothing says how flows divide.", "Make both its ends one place, or say what it is."
    ),
    "network.disconnected": Code(
        "No line leads to some place of the network.",
        "Connect every place, if need be by a line with limit 0.",
    ),
    "network.no-source": Code(
        "Nothing can deliver anywhere in the network.", "Register a source, a storage or a tie first."
    ),
    "network.transfer": Code(
        "A member has no meter at the place that its envelope is for.", "Give envelopes where members' meters are."
    ),
    "network.band": Code("A least is above its most at some place.", "Turn them round."),
    "network.admittance": Code(
        "A line of an AC model has no admittance or a tap below a half, or too much of it meets at one place.",
        "Give g or b of every line, and make places one that are closer than 70,000 per unit.",
    ),
    "network.too-large": Code(
        "Proving the network safe would take too long.",
        "Use fewer places, lines or loops: 300 places with 411 lines fit.",
    ),
    "network.unsafe": Code(
        "Members inside their envelopes could overload a line.",
        "Reduce the envelopes, or raise the limit of the line; whoever checks the file is told which and how far.",
    ),
    # Modes
    "mode.role": Code(
        "The sender is neither the campus nor the utility.", "Ask a member with one of these roles to order the mode."
    ),
    "mode.no-grid": Code("The site has no utility.", "Nothing to do: without one it is always an island."),
    "mode.late": Code("The gate of the first interval has passed.", "Order the mode ahead."),
    "mode.horizon": Code("The last interval is too far ahead.", "Stay inside `horizon_intervals`."),
    "mode.full": Code(
        "The maximum of members has ordered this of the interval already.", "Nothing to do: their order stands."
    ),
    "mode.price": Code("The payment is above the offer cap.", "Pay at most `offer_cap_nano_per_wh`."),
    "reduction.role": Code(
        "The sender is the utility, or the site has none.", "Offer reductions as a member that takes energy."
    ),
    "reduction.late": Code("The gate of the first interval has passed.", "Offer for a later interval."),
    "reduction.horizon": Code("The last interval is too far ahead.", "Stay inside `horizon_intervals`."),
    "base.meter": Code("The meter belongs to another member.", "Register base load at a meter of your own."),
    "base.kind": Code("The meter measures no load.", "Register base load at a meter of kind `load`."),
    "base.rating": Code("The power is above the meter's rating.", "Register at most the rating."),
    "base.capacity": Code(
        "All base loads together would pass what an island gives at any time without its largest source.",
        "Register at most what `gridpact query base-loads` says is left.",
    ),
    "base.unknown": Code("No base load is registered at the meter.", "Nothing to do: there is none to give up."),
    "base.full": Code("The site has the maximum of base loads.", "Register fewer meters with more power each."),
    # Money
    "money.recipient": Code("No member has the recipient's id.", "Transfer to a member of this chain."),
    "money.insufficient": Code("The balance does not cover the amount.", "Transfer less."),
    # Trust
    "trust.recipient": Code("No member has the recipient's id.", "Transfer to a member of this chain."),
    "trust.insufficient": Code(
        "The free tokens do not cover the amount.",
        "Use less, as `gridpact trust show` has it; bonded, unlocking and wagered tokens are not free.",
    ),
    "trust.tombstoned": Code(
        "The member signed two contradicting messages: its identity is tombstoned.",
        "Transfer free tokens; a tombstoned member bonds, wagers and votes no more, whatever its keys.",
    ),
    "trust.bond": Code(
        "The bond does not cover the amount.", "Unbond less; what is unlocking has left the bond already."
    ),
    "trust.unlocking-full": Code(
        "The maximum of parts of the bond is unlocking.",
        "Unbond once the oldest part is free, and more at once.",
    ),
    # Access policies
    "access.reader": Code(
        "A reader is neither a member of this chain, nor a role, nor everybody.",
        "Name members by id, roles as `role:utility`, or `everybody`.",
    ),
    "access.until": Code("The end of the grant is not ahead.", "Give a later moment, or none."),
    "access.full": Code(
        "The policy names the maximum of readers, counted once for each kind.",
        "Revoke some first, or allow a role instead of its members.",
    ),
    "access.not-granted": Code(
        "A reader has none of these kinds.", "See who may read what with `gridpact query access MEMBER`."
    ),
    # Governance
    "governance.no-power": Code(
        "The sender has no power in this block.",
        "Members with a bond and a node propose and approve, from the epoch after next on: `gridpact trust show`.",
    ),
    "governance.expiry": Code(
        "The proposal would expire before it can take effect, or later than 1,000,000 blocks from now.",
        "Choose an expiry height after the start of the epoch that it names.",
    ),
    "governance.epoch": Code(
        "The change needs at least two epochs of notice.", "Name an epoch that is two or more ahead of this one."
    ),
    "governance.full": Code(
        "The maximum of proposals is open, and nobody has two more of them than the sender.",
        "Propose again once some are decided.",
    ),
    "governance.own-full": Code(
        "The sender has the maximum of open proposals.", "Withdraw one of them, or wait until one is decided."
    ),
    "governance.unknown": Code("No proposal has this number.", "See them with `gridpact govern list`."),
    "governance.closed": Code(
        "The proposal is decided, withdrawn or expired.", "Propose the change anew; see `gridpact govern show`."
    ),
    "governance.approved": Code("The sender has approved this proposal.", "Nothing to do: an approval counts once."),
    "governance.approvals-full": Code(
        "The proposal has the maximum of approvals.", "Propose the change anew: most of them have no power any more."
    ),
    "governance.not-approved": Code(
        "The sender neither made nor approved this proposal.", "Withdraw what is your own, as `gridpact govern show`."
    ),
    "governance.member": Code(
        "No member has the id that the change names, or it was removed.", "Name a member of this chain."
    ),
    "governance.id-taken": Code(
        "An id of the change is or was another's; ids are never used again.",
        "Choose new ids for members, nodes, meters.",
    ),
    "governance.keys": Code(
        "A key is no public key of Ed25519, occurs twice or has an unknown scope, or none has the scope `all`.",
        "Give one key per purpose, as `gridpact keys` shows them, at least one account key with scope `all`.",
    ),
    "governance.key-taken": Code("A key is or was registered already.", "Make a new key: none is ever used again."),
    "governance.possession": Code(
        "A BLS key comes without proof that its owner has the secret.", "Copy key and proof from the node's node.json."
    ),
    "governance.node": Code(
        "The nodes are not ascending by id, or one has no TLS certificate.", "Copy them from each node's node.json."
    ),
    "governance.meter": Code(
        "A meter is not the new member's, out of order, of the wrong kind, or has no public key of Ed25519.",
        "List sources, loads and storages of the member, ascending by id.",
    ),
    "governance.asset": Code(
        "The equipment of a new meter contradicts itself.",
        "Efficiency is at most one, a storage has a capacity, powers stay inside the rating, only sources have a ramp.",
    ),
    "governance.envelope-meter": Code(
        "No meter of a present member has the id that the envelope names.", "Name a meter of this chain."
    ),
    "governance.envelope": Code(
        "The envelope contradicts itself or its meter.",
        "Keep powers within the rating, the safe state within them, in one direction, and critical load within that; "
        "sort times, without overlap.",
    ),
    "governance.revoked": Code(
        "The meter's key was revoked, and the envelope brings no new one.", "Add the public key of the mended device."
    ),
    "governance.envelopes-full": Code(
        "The maximum of assets has an envelope.", "Change one that exists: 4,096 at most."
    ),
    "governance.no-key": Code(
        "The member has no such account key, and none of its meters has it.",
        "Name member and key as `gridpact query member` and `gridpact query meter` show them.",
    ),
    "governance.too-many": Code(
        "The pact has the maximum of members or meters.", "Remove a member first: 10,000 members, 100,000 meters."
    ),
    "governance.re-key-full": Code(
        "The maximum of the member's former node keys may still have a seat.", "Propose it again two epochs later."
    ),
    "governance.private": Code(
        "A private meter is not one that can be, or its campus can not bill it.",
        "Only loads and sources without an asset can be private, billed by another member with the role campus, which "
        "bills at most 1,024 of them and 32 sources.",
    ),
    "governance.roles": Code(
        "The roles are not ascending or not known.",
        "Use supplier, consumer, storage, campus, certifier; each once, sorted.",
    ),
    "governance.utility": Code(
        "The utility's role and membership are fixed.",
        "Tie meters and tariffs hang on it: replace it by export and a new genesis.",
    ),
    "governance.too-few": Code(
        "Fewer than four organisations with weight would remain.",
        "Let others bond tokens first; an approved proposal is tried again at the end of each epoch.",
    ),
    "governance.fixed": Code(
        "Length of intervals and epochs and billing cycles never change: what is on the ledger is counted in them.",
        "Keep interval_ms, cycle_ms, cycle_starts_ms and epoch_blocks; change them by export and a new genesis.",
    ),
    "governance.params": Code(
        "The parameters contradict each other, or leave no room for proposals.",
        "Keep floors below caps, and units_per_key and max_block_units at 1,024 or more.",
    ),
    "governance.evidence-age": Code(
        "Evidence would count again after bonds were freed.", "Shorten the evidence age or keep it."
    ),
    "governance.rule-set": Code(
        "The rule set is not later than the one in force.", "Propose a later one: old ones are for replay."
    ),
    # Wagering
    "wager.round": Code("No round of wagering has this number.", "Use a number that `gridpact query rounds` shows."),
    "wager.phase": Code(
        "The round is in another phase.",
        "`gridpact query round NUMBER` says which; wagers, commitments and reveals count in their own phase each.",
    ),
    "wager.twice": Code(
        "The member has a wager on this round.", "Nothing to do: each member has one, whatever its keys."
    ),
    "wager.minimum": Code(
        "The wager is below the minimum of the round.", "Wager at least what `gridpact query round NUMBER` shows."
    ),
    "wager.trust": Code(
        "The member's net trust (index x free tokens) is below the minimum of the round.",
        "Wager on a round of less significance, or hold more free tokens; `gridpact trust show` has yours.",
    ),
    "wager.full": Code("The round has the maximum of wagers.", "Wager on another round."),
    "wager.drawn": Code(
        "The sender is not one of the builders that were drawn.",
        "Nothing to do: the wager of who is not drawn has gone back.",
    ),
    "wager.committed": Code("The builder has committed to a solution.", "Reveal that one: each builder commits once."),
    "wager.commitment": Code(
        "Salt and solution are not what the builder committed to.",
        "Reveal the very bytes and salt; who committed to nothing has nothing to reveal.",
    ),
    "wager.revealed": Code("The builder has revealed its solution.", "Nothing to do: it counts once."),
    **{name: Code(*said) for name, said in CARBON_CODES.items()},
    **{name: Code(*said) for name, said in CONFIDENTIAL_CODES.items()},
    **{name: Code(*said) for name, said in CEREMONY_CODES.items()},
    **{name: Code(*said) for name, said in PRIVATE_CODES.items()},
    **{name: Code(*said) for name, said in SEALED_CODES.items()},
}


def describe(code: str) -> Code:
    """Sentence and hint of a code; an unknown one describes itself."""
    return CODES.get(code, Code(code, ""))
