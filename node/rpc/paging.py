"""Pages of the one long list of an answer, and only the entries of one member where that is asked for.

A page says how many entries there are and where the next one begins; asked with the `height` of the first page, pages
are of one state, and miss and repeat nothing. A proof that comes with a page is of the whole answer.
"""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]


def turn_page(lists: str, data: Document, options: Document) -> Document:
    """Cut the list of `data` to the page that was asked for; returns `{"page": ...}` where there is more of it."""
    entries, member = data[lists], options.get("member")
    if member is not None:
        entries = [entry for entry in entries if entry is not None and entry["member"] == member]
    total, start, limit = len(entries), options["offset"], options["limit"]
    data[lists] = entries[start : start + limit]
    following = start + limit
    if total <= limit and not start and member is None:
        return {}
    return {"page": {"of": lists, "total": total, "offset": start, "next": following if following < total else None}}
