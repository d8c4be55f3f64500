"""What can be moved in time or held back: storages, loads with a deadline, ramps, reserves, and what is required.

    assets     equipment as dispatch sees it, and what a storage holds by its registers
    records    what state keeps of all this
    offers     what members say about it

Never dispatches: `contracts.windows` makes a case of it.
"""
