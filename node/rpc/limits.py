"""Every bound of the RPC server, in one place."""

MAX_BODY_BYTES = 4 * 1024 * 1024
"""One request's body."""
MAX_BODIES_BYTES = 32 * 1024 * 1024
"""Bodies that are being received, together: what slow and hostile senders can pin in memory."""
MAX_ENVELOPES = 256
"""Envelopes in one submission."""
MAX_KEYS = 4_096
"""Idempotency keys that a node remembers, the newest ones."""
MAX_PROOFS = 32
"""Envelopes in one submission that waits for proofs: each costs a walk over its whole block."""
MAX_REQUESTS = 512
"""Requests under way, the waiting ones included."""
MAX_CONNECTIONS = 1024
MAX_SUBSCRIBERS = 256
"""Event websockets."""
MAX_MESSAGE_BYTES = 1024
"""Largest message that a subscriber may send."""
MESSAGES_PER_S, MESSAGE_BURST = 1.0, 16.0
"""Messages of one subscriber; who sends more is dropped."""
EVENTS_PER_MESSAGE = 256
SLOW_S = 10.0
"""A live subscriber that takes nothing for so long is dropped, with its cursor as the reason."""
AT_ONCE_BYTES = 8 * 1024
"""Up to here a connection's buffer takes a message and nobody waits: it has resumed long before so little is left."""
STATUS_EVERY_S = 1.0
"""Between two words of the topic `status`."""
MAX_WAIT_MS = 120_000
"""Longest that a submission may wait for finality."""
DEFAULT_WAIT_MS = 30_000
MAX_PAGE = 1_000
"""Entries of one page of a longer list."""
MAX_SCANNED = 4_096
"""Transactions and empty blocks that one page of transactions looks at."""
MAX_REVEALS_SCANNED = 65_536
"""Transactions of a round that are looked at for what its builders revealed."""
MAX_CHECKS = 8
"""Requests that wait for windows to be checked again, one at a time: who asks for many gets no thread for good."""
CHECKED_WINDOWS = 16
"""Windows of which a node remembers what it found when it checked their orders again."""
MAX_LISTED = 64
"""Offences, rounds, proposals or policies in one answer."""
PROOF_WAIT_S = 5.0
"""How long a query waits for the header that makes its answer provable."""
BODY_TIMEOUT_S = 10.0
"""A body that takes longer to arrive is refused."""
IDLE_TIMEOUT_S = 30.0
"""A connection without a complete request head for so long is closed: idle ones and those that trickle
headers."""
UNREAD_TIMEOUT_S = 30.0
"""A connection whose buffer stays full for so long, or is not empty so long after its end, is cut off: nobody takes
the answers."""
SHUTDOWN_S = 2.0
"""What requests under way get when the server stops."""
FRAME_CACHE = 8
"""Rendered (height, topic) pairs, and as many messages, kept for other subscribers of the same block."""
HEARTBEAT_S = 20.0
"""Ping of event websockets; a subscriber that answers none is dropped."""
