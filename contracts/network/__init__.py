"""The wires between the members: which places and lines there are, and what they bear.

    records       places, lines, transfer envelopes: what is on the ledger
    registration  whether a network may be registered
    transfers     proof that no line is overloaded while every member stays inside its envelope
    lines         the network as the dispatch program wants it
    within        a dispatch case cut to the envelopes
    registered    the network that is on the ledger
    admittance    lines, transformers and shunts as one integer matrix
    mismatch      whether voltages are those of what is put in
    power         the same for a dispatch and its solution
    codes         what is wrong with voltages, in words

Pure, in exact integers. Never solves a power flow: who dispatches does, and every node checks.
"""
