"""The wallet of a member: the openings of its commitments, which nobody else has, and what it makes of them.

A file keeps them (`node.wallet.file`), encrypted so that a browser can read it, too. `node.wallet.account` is hidden
money as its owner sees it: proven state of the ledger, opened. All of it can be lost: the ledger holds a note of every
opening, sealed to the member's own key, and `recover` reads them.
"""
