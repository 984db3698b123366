"""A client's placeOrder, read to its last field, by server version (ib_async's ``Client.placeOrder``).

What the exchange does not know (combinations, algorithms, conditions, scales, hedges, volatility and pegged orders) is
read all the same, and named in ``unsupported``: such an order is refused, never taken for a simpler one.
"""

from dataclasses import dataclass
from decimal import Decimal

from live_trading.domain.values import OrderType, Side, TimeInForce
from live_trading.paper_exchange.protocols.tws.contracts import AskedContract
from live_trading.paper_exchange.protocols.tws.frames import BadField, Fields

ORDER_TYPES = {
    "MKT": OrderType.MARKET,
    "LMT": OrderType.LIMIT,
    "STP": OrderType.STOP,
    "STP LMT": OrderType.STOP_LIMIT,
    "TRAIL": OrderType.TRAILING_STOP,
}
_TIMES_IN_FORCE = {"": TimeInForce.DAY, "DAY": TimeInForce.DAY, "GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC}
_CONDITION_FIELDS = {1: 6, 3: 3, 4: 3, 5: 4, 6: 5, 7: 5}
"""Fields of a condition after its type: price, time, margin, execution, volume, per cent change."""


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """What a client asks for. ``problem`` is why it cannot be had, None where it can."""

    order_id: int
    contract: AskedContract
    side: Side
    quantity: Decimal
    order_type: OrderType
    limit_price: Decimal | None
    stop_price: Decimal | None
    trailing_distance: Decimal | None
    time_in_force: TimeInForce
    tif_was_preset: bool
    oca_group: str
    oca_type: int
    account: str
    order_ref: str
    transmit: bool
    parent_id: int
    what_if: bool
    problem: str | None


def read_place_order(fields: Fields, version: int) -> PlacedOrder:
    """Read the message after its type; :class:`BadField` where it is not one."""
    unsupported: list[str] = []
    order_id = fields.integer()
    contract = AskedContract.read(fields)
    fields.skip(2)  # secIdType, secId
    action, quantity, type_name = fields.text(), fields.decimal(), fields.text()
    limit_price, aux_price = fields.decimal(), fields.decimal()
    tif, oca_group, account = fields.text(), fields.text(), fields.text()
    fields.skip(2)  # openClose, origin
    order_ref, transmit, parent_id = fields.text(), fields.flag(), fields.integer()
    fields.skip(6)  # blockOrder, sweepToFill, displaySize, triggerMethod, outsideRth, hidden
    if contract.sec_type == "BAG":
        unsupported.append("combination")
        _skip_legs(fields)
    fields.skip(1)  # sharesAllocation
    if fields.decimal():
        unsupported.append("discretionaryAmt")
    if fields.text():
        unsupported.append("goodAfterTime")
    if fields.text():
        unsupported.append("goodTillDate")
    fields.skip(3)  # faGroup, faMethod, faPercentage
    if version < 177:
        fields.skip(1)  # faProfile
    fields.skip(4)  # modelCode, shortSaleSlot, designatedLocation, exemptCode
    oca_type = fields.integer()
    fields.skip(2)  # rule80A, settlingFirm
    if fields.flag():
        unsupported.append("allOrNone")
    if fields.integer():
        unsupported.append("minQty")
    fields.skip(12)  # percentOffset … volatility: of order types that are refused by their name
    fields.skip(1)  # volatilityType
    neutral = fields.text()
    fields.skip(1)  # deltaNeutralAuxPrice
    if neutral:
        fields.skip(8)
    fields.skip(2)  # continuousUpdate, referencePriceType
    trail_stop_price, trailing_percent = fields.decimal(), fields.decimal()
    if trailing_percent:
        unsupported.append("trailingPercent")
    unsupported += _read_scale_and_hedge(fields)
    fields.skip(4)  # optOutSmartRouting, clearingAccount, clearingIntent, notHeld
    unsupported += _read_neutral_and_algo(fields)
    fields.skip(1)  # algoId
    what_if = fields.flag()
    fields.skip(4)  # orderMiscOptions, solicited, randomizeSize, randomizePrice
    if type_name in ("PEG BENCH", "PEGBENCH"):
        fields.skip(5)
    unsupported += _read_conditions(fields)
    _skip_the_rest(fields, version, contract, type_name)
    order_type = ORDER_TYPES.get(type_name)
    if order_type is None:
        unsupported.append(f"orderType {type_name[:20]}")
    if action not in ("BUY", "SELL"):
        unsupported.append(f"action {action[:20]}")
    if tif not in _TIMES_IN_FORCE:
        unsupported.append(f"tif {tif[:20]}")
    trailing = order_type is OrderType.TRAILING_STOP
    stops = order_type in (OrderType.STOP, OrderType.STOP_LIMIT)
    limits = order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    return PlacedOrder(
        order_id=order_id,
        contract=contract,
        side=Side(action) if action in ("BUY", "SELL") else Side.BUY,
        quantity=quantity or Decimal(0),
        order_type=order_type or OrderType.MARKET,
        limit_price=limit_price if limits else None,
        stop_price=trail_stop_price if trailing else aux_price if stops else None,
        trailing_distance=aux_price if trailing else None,
        time_in_force=_TIMES_IN_FORCE.get(tif, TimeInForce.DAY),
        tif_was_preset=not tif,
        oca_group=oca_group,
        oca_type=oca_type,
        account=account,
        order_ref=order_ref,
        transmit=transmit,
        parent_id=parent_id,
        what_if=what_if,
        problem=f"{', '.join(unsupported)}: not supported here" if unsupported else None,
    )


def _skip_legs(fields: Fields) -> None:
    for _ in range(fields.count()):
        fields.skip(8)
    fields.skip(fields.count())  # prices of the legs
    fields.skip(2 * fields.count())  # routing parameters


def _read_scale_and_hedge(fields: Fields) -> list[str]:
    found = []
    fields.skip(2)  # scaleInitLevelSize, scaleSubsLevelSize
    increment = fields.decimal()
    if increment is not None and increment > 0:
        found.append("scale")
        fields.skip(7)
    fields.skip(3)  # scaleTable, activeStartTime, activeStopTime
    if fields.text():
        found.append("hedgeType")
        fields.skip(1)
    return found


def _read_neutral_and_algo(fields: Fields) -> list[str]:
    found = []
    if fields.flag():
        found.append("deltaNeutralContract")
        fields.skip(3)
    if fields.text():
        found.append("algoStrategy")
        fields.skip(2 * fields.count())
    return found


def _read_conditions(fields: Fields) -> list[str]:
    count = fields.count()
    for _ in range(count):
        kind = fields.integer()
        if kind not in _CONDITION_FIELDS:
            raise BadField(f"a condition of type {kind}")
        fields.skip(_CONDITION_FIELDS[kind])
    if count:
        fields.skip(2)
    return ["conditions"] if count else []


def _skip_the_rest(fields: Fields, version: int, contract: AskedContract, type_name: str) -> None:
    fields.skip(7)  # adjustedOrderType … adjustableTrailingUnit
    fields.skip(3)  # extOperator, softDollarTier
    fields.skip(1)  # cashQty
    fields.skip(4)  # mifid2
    fields.skip(4)  # dontUseAutoPriceForHedge … usePriceMgmtAlgo
    # duration, postToAts, autoCancelParent, advancedErrorOverride, manualOrderTime
    fields.skip(sum(version >= since for since in (158, 160, 162, 166, 169)))
    if version >= 170:
        if contract.exchange == "IBKRATS":
            fields.skip(1)
        if type_name in ("PEG BEST", "PEGBEST"):
            fields.skip(1)
            fields.skip(2 if fields.text() == "Infinite" else 0)
        elif type_name in ("PEG MID", "PEGMID"):
            fields.skip(2)
    if fields.left:
        raise BadField(f"{fields.left} fields too many")
