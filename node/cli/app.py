"""The Typer application: nouns, then verbs. Imports nothing slow, so that help is there at once."""

from __future__ import annotations

import typer

from node.cli.about import register as register_about
from node.cli.access import app as access
from node.cli.access import tx_app as tx_access
from node.cli.agent import app as agent
from node.cli.bill import app as bill
from node.cli.carbon import app as carbon
from node.cli.carbon_tx import app as tx_carbon
from node.cli.dispatch import app as dispatch
from node.cli.doctor import register as register_doctor
from node.cli.flexible import register as register_flexible
from node.cli.govern import app as govern
from node.cli.hidden import register as register_hidden
from node.cli.home import register as register_home
from node.cli.light import register as register_light
from node.cli.listing import register as register_listing
from node.cli.modes import register as register_modes
from node.cli.private import register as register_private
from node.cli.proof import app as proof
from node.cli.query import app as query
from node.cli.request import app as tx_dispatch
from node.cli.rulebook import app as rulebook
from node.cli.sealed import register as register_sealed
from node.cli.status import register as register_status
from node.cli.succession import app as succession
from node.cli.token import app as token
from node.cli.trust import app as trust
from node.cli.trust import tx_app as tx_trust
from node.cli.tx import app as tx
from node.cli.wager import register as register_wagers
from node.cli.wallet import app as wallet

HELP = "The ledger that competitors who share a microgrid run together."

app = typer.Typer(
    name="gridpact",
    help=HELP,
    no_args_is_help=True,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

register_about(app)

register_status(app)
register_doctor(app)
register_home(app)
register_wagers(tx, query)
register_flexible(tx, query)
register_private(query)
register_modes(tx, query)
register_listing(query)
register_hidden(tx, query)
register_sealed(tx, query)
tx.add_typer(tx_dispatch, name="dispatch")
tx.add_typer(tx_trust, name="trust")
tx.add_typer(tx_access, name="access")
tx.add_typer(tx_carbon, name="carbon")
app.add_typer(tx, name="tx")
app.add_typer(query, name="query")
app.add_typer(bill, name="bill")
app.add_typer(carbon, name="carbon")
app.add_typer(access, name="access")
app.add_typer(token, name="token")
app.add_typer(trust, name="trust")
app.add_typer(dispatch, name="dispatch")
app.add_typer(govern, name="govern")
app.add_typer(agent, name="agent")
app.add_typer(rulebook, name="rulebook")
app.add_typer(succession, name="succession")
app.add_typer(proof, name="proof")
app.add_typer(wallet, name="wallet")
register_light(app)
