"""Faults in checking and remembering: signatures, blocks, evidence, transactions, and what a restart finds."""

from __future__ import annotations

from tests.mutants.plant import Edit, Mutant
from tests.mutants.schedules import (
    EMPTIED_SYNC,
    FORGED_SYNC,
    GONE_LIAR,
    LATE_COMER,
    LOST_TRANSFER,
    OLD_GUILT,
    PINNED_TRANSFER,
    RESTARTED_LOCK,
    SITE_OUTAGE,
    SWAPPED_SYNC,
    UNSIGNED_SYNC,
)

VERIFYING = (
    Mutant(
        "commit-unverified",
        "the signatures of a commit certificate are not checked",
        (
            Edit(
                "consensus.certificates:signatures_of",
                "checks = certificate_checks(message.certificate, chain_id, context.validators)",
                "checks: list[SignatureCheck] = []",
            ),
        ),
        behaviours=("forged-certificates",),
    ),
    Mutant(
        "included-commit-unverified",
        "the signatures of the certificate inside a block are not checked",
        (
            Edit(
                "consensus.certificates:_nested_checks",
                "return certificate_checks(certificate, context.chain_id, context.parent.validators)",
                "return []",
            ),
        ),
        behaviours=("false-blocks",),
    ),
    Mutant(
        "polka-unverified",
        "the signatures of a polka certificate are not checked",
        (
            Edit(
                "consensus.certificates:signatures_of",
                "return certificate_checks(message, chain_id, context.validators)",
                "return []",
            ),
        ),
        behaviours=("forged-certificates",),
    ),
    Mutant(
        "round-certificate-unverified",
        "the votes of a round certificate are not checked",
        (
            Edit(
                "consensus.certificates:signatures_of",
                "return [_vote_check(vote, chain_id, context.validators) for vote in message.votes]",
                "return []",
            ),
        ),
        behaviours=("forged-certificates",),
    ),
    Mutant(
        "vote-unverified",
        "the signature of a vote is not checked",
        (
            Edit(
                "consensus.certificates:signatures_of",
                "return [_vote_check(message, chain_id, set_of_vote(message, context))]",
                "return []",
            ),
        ),
        behaviours=("forged-votes",),
    ),
    Mutant(
        "sync-unverified",
        "a block of block sync is taken without checking its certificate's signatures",
        (Edit("node.catchup:CatchUp._verified", "if not all(valid):", "if False:"),),
        schedule=FORGED_SYNC,
    ),
    Mutant(
        "sync-transactions-unchecked",
        "block sync takes any transactions with a certified block",
        (Edit("node.catchup:CatchUp._examine", "or hashes != full.block.payload", ""),),
        schedule=EMPTIED_SYNC,
    ),
    Mutant(
        "sync-block-unchecked",
        "block sync takes a certificate for any block",
        (
            Edit("node.catchup:CatchUp._examine", "or header.id() != full.certificate.block_id", ""),
            Edit(
                "consensus.certificates:check_message",
                "message.block is not None and message.block.header.id() != message.certificate.block_id",
                "False",
            ),
        ),
        schedule=SWAPPED_SYNC,
    ),
    Mutant(
        "sync-parent-unchecked",
        "block sync does not look at what a block stands on, nor at who certified it",
        (
            Edit("node.catchup:CatchUp._examine", "or header.parent_hash != context.parent.block_id", ""),
            Edit("node.catchup:CatchUp._verified", "if not all(valid):", "if False:"),
        ),
        schedule=UNSIGNED_SYNC,
    ),
    Mutant(
        "transaction-unverified",
        "the signature of a transaction is not checked",
        (Edit("node.transactions:TransactionFlow._check_proofs", 'if good else "tx.signature"', ""),),
        behaviours=("altered-transactions",),
    ),
)

BLOCKS = (
    Mutant(
        "parent-unchecked",
        "a block may stand on any parent",
        (Edit("consensus.block:check_validity", "if header.parent_hash != parent.block_id:", "if False:"),),
        behaviours=("false-blocks",),
    ),
    Mutant(
        "state-root-unchecked",
        "a block may claim any state",
        (
            Edit(
                "consensus.block:check_validity",
                "if (header.state_root, header.receipts_root) != (context.state_root, context.receipts_root):",
                "if False:",
            ),
        ),
        behaviours=("false-blocks",),
    ),
    Mutant(
        "set-hash-unchecked",
        "a block may claim any set",
        (
            Edit(
                "consensus.block:check_validity",
                "if (header.set_hash, header.next_set_hash) != (context.validators.hash, context.next_set_hash):",
                "if False:",
            ),
        ),
        behaviours=("false-blocks",),
    ),
    Mutant(
        "time-goes-back",
        "a block may be older than its parent",
        (Edit("consensus.block:check_validity", "if header.time_ms <= parent.time_ms:", "if False:"),),
        behaviours=("false-times",),
    ),
    Mutant(
        "body-unchecked",
        "the payload need not be the one that the header names",
        (
            Edit(
                "consensus.block:check_commitments",
                "if header.payload_root != merkle.root(block.payload):",
                "if False:",
            ),
        ),
        behaviours=("false-blocks",),
    ),
    Mutant(
        "timely-unchecked",
        "a fresh block may have any time",
        (
            Edit(
                "consensus.block:check_proposal",
                "if not is_timely(context.timing, proposal.round, header.time_ms, received_ms, earliest_ms):",
                "if False:",
            ),
        ),
        behaviours=("false-times",),
    ),
    Mutant(
        "payload-unchecked",
        "a block is prevoted without having its transactions",
        (
            Edit(
                "node.transactions:TransactionFlow.check_payload",
                "elif not self._settled(block_id, gathering):",
                "elif not self._settled(block_id, gathering) and not self._payload_checked(block_id, True):",
            ),
        ),
        behaviours=("hidden-payloads",),
    ),
    Mutant(
        "execute-before-decided",
        "a block is executed when this node precommits it",
        (
            Edit(
                "node.replica:Replica._perform",
                "self.work.emit(Sync(), SignMessage(message))",
                "self.work.emit(Sync(), SignMessage(message))\n"
                "            if getattr(message, 'kind', None) == 2 and message.block_id is not None:\n"
                "                polka = self.machine.polkas[message.round]\n"
                "                self._decide(\n"
                "                    self.machine.candidates[message.block_id].block,\n"
                "                    CommitCertificate(polka.height, polka.round, polka.block_id, polka.signatures),\n"
                "                )",
            ),
        ),
    ),
    Mutant(
        "reuse-nonce",
        "a transaction that was executed is executed again when a block names it again",
        (
            Edit(
                "contracts.api:apply",
                "if envelope.nonce != lane.next_nonce or envelope.nonce >= MAX_COUNT:",
                "if envelope.nonce > lane.next_nonce or envelope.nonce >= MAX_COUNT:",
            ),
        ),
        behaviours=("replayed-transactions",),
    ),
    Mutant(
        "mint-tokens",
        "trust tokens that are transferred stay with their sender too",
        (Edit("contracts.trust:transfer", "payer.free_tokens - body.amount_tokens", "payer.free_tokens"),),
    ),
    Mutant(
        "evidence-of-wrong-set",
        "evidence is checked against the set of today, not of its height",
        (
            Edit(
                "node.evidence:EvidencePool._checks",
                "self._sets(evidence.first.height)",
                "self._sets(self._ledger.height + 1)",
            ),
        ),
        schedule=GONE_LIAR,
    ),
    Mutant(
        "evidence-unverified",
        "the signatures of evidence are not checked",
        (
            Edit("node.evidence:EvidencePool._considered", "if all(valid)", "if True"),
            Edit("node.evidence:EvidencePool._judged", "all(valid)", "True"),
        ),
        behaviours=("false-evidence",),
    ),
    Mutant(
        "evidence-never-expires",
        "a block may hold evidence of any age",
        (Edit("consensus.evidence:is_expired", "age_blocks > max_age_blocks and age_ms > max_age_ms", "False"),),
        schedule=OLD_GUILT,
    ),
)

MEMORY = (
    Mutant(
        "skip-fsync",
        "the journal calls what it has written durable",
        (
            Edit(
                "node.journal:Journal.sync",
                "    self._flush()\n    self._settle()\n",
                "    self._flush()\n    self._unsynced = 0\n",
            ),
        ),
    ),
    Mutant(
        "publish-before-append",
        "own messages leave before the journal is durable",
        (
            Edit(
                "node.replica:Replica._perform",
                "self.work.emit(Sync(), SendAll(Frame.CONSENSUS, encode(message), own=True))",
                "self.work.emit(SendAll(Frame.CONSENSUS, encode(message), own=False))",
            ),
        ),
    ),
    Mutant(
        "key-ahead-of-log",
        "a key remembers a vote before what led to it is durable",
        (
            Edit(
                "node.replica:Replica._perform",
                "self.work.emit(Sync(), SignMessage(message))",
                "self.work.emit(SignMessage(message))",
            ),
            Edit("node.driver:Driver._sign", "assert not self.journal.unsynced", "assert self.journal"),
        ),
        schedule=SITE_OUTAGE,
    ),
    Mutant(
        "accept-before-sync",
        "a client is told ok before its transaction is durable",
        (
            Edit(
                "node.transactions:TransactionFlow._submission_proven",
                "self._work.emit(Sync(), Reply(request, results))",
                "self._work.emit(Reply(request, results))",
            ),
        ),
    ),
    Mutant(
        "forget-journal",
        "a restart does not replay the inputs of its height",
        (Edit("node.replica:Replica._recover", "logged_inputs(records, self._context.height)", "()"),),
        schedule=RESTARTED_LOCK,
    ),
    Mutant(
        "forget-journal-quietly",
        "a restart does not replay the inputs of its height, and does not ask its key whether something is missing",
        (
            Edit("node.replica:Replica._recover", "logged_inputs(records, self._context.height)", "()"),
            Edit("node.driver:Driver._carry_out", "not self._signer.resume(height, last)", "False"),
        ),
        schedule=RESTARTED_LOCK,
    ),
    Mutant(
        "sign-twice",
        "a restart does not replay the inputs of its height, and the key does not remember what it signed",
        (
            Edit("node.replica:Replica._recover", "logged_inputs(records, self._context.height)", "()"),
            Edit("node.driver:Driver._carry_out", "not self._signer.resume(height, last)", "False"),
            Edit("node.signer:FileSigner.sign", "if at <= state.high:", "if False:"),
        ),
        schedule=RESTARTED_LOCK,
    ),
    Mutant(
        "forget-transactions",
        "a restart does not take back the transactions in its journal",
        (
            Edit(
                "node.replica:Replica._recover",
                "self.flow.recover(decode_batch(body) for kind, _, body in records if kind == TRANSACTIONS)",
                "",
            ),
        ),
        schedule=LOST_TRANSFER,
    ),
    Mutant(
        "unjournaled-transactions",
        "transactions are kept in memory only",
        (
            Edit(
                "node.transactions:TransactionFlow._take",
                "self._work.emit(Append(TRANSACTIONS, self._ledger.height + 1, "
                "encode_batch([entry.raw for entry in kept])))",
                "",
            ),
        ),
    ),
    Mutant(
        "drop-pinned",
        "a restart drops transactions that a block of the open height names",
        (
            Edit(
                "node.transactions:TransactionFlow.recovered",
                "if entry.hash not in named\n        and (",
                "if entry.hash in named\n        or (",
            ),
        ),
        schedule=PINNED_TRANSFER,
    ),
    Mutant(
        "never-sync",
        "a node that has fallen behind does not ask for blocks",
        (Edit("node.replica:Replica._run_sync", "self.catch_up.ask()", "pass"),),
        schedule=LATE_COMER,
    ),
)
