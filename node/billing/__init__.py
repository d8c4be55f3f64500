"""The members' side of private billing: what meters, owners, the campus and suppliers make of what they alone know."""
