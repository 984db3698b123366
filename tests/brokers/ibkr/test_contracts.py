"""Our symbols and IB's contracts, and which of several is meant."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from ib_async.contract import Contract, ContractDetails

from live_trading.brokers.ibkr.contracts import choose, contract_of, hours_of, instrument_of, number, symbol_of
from live_trading.domain.errors import InvalidInput
from live_trading.domain.instrument import ALWAYS_OPEN, CME_HOURS, FX_HOURS, US_STOCK_HOURS
from live_trading.domain.values import AssetClass, OptionRight
from live_trading.runtime import Runtime
from tests.brokers.ibkr.gateways import Gateway

CATALOGUE = """
- instrument:
    {symbol: ES-20261218, asset_class: FUTURE, currency: USD, tick_size: "0.25", quantity_step: 1, multiplier: 50}
  reference_price: 5200
- instrument:
    {symbol: ES-20270319, asset_class: FUTURE, currency: USD, tick_size: "0.25", quantity_step: 1, multiplier: 50}
  reference_price: 5250
- instrument:
    symbol: SPY-20261218-C-520.5
    asset_class: OPTION
    currency: USD
    tick_size: "0.01"
    quantity_step: 1
    multiplier: 100
    option: {underlying: SPY, right: CALL, strike: "520.5", expiry: "2026-12-18"}
  reference_price: 12
"""


def future(expiry: str) -> ContractDetails:
    return ContractDetails(contract=Contract(secType="FUT", symbol="ES", lastTradeDateOrContractMonth=expiry))


@pytest.mark.parametrize(
    ("symbol", "kind", "fields"),
    [
        ("EUR-USD", "CASH", {"symbol": "EUR", "currency": "USD", "exchange": "IDEALPRO"}),
        ("SPY", "STK", {"symbol": "SPY", "currency": "USD", "exchange": "SMART"}),
        ("SAP:EUR", "STK", {"symbol": "SAP", "currency": "EUR"}),
        ("ES", "FUT", {"symbol": "ES", "exchange": "CME", "lastTradeDateOrContractMonth": ""}),
        ("ES-20261218", "FUT", {"symbol": "ES", "exchange": "CME", "lastTradeDateOrContractMonth": "20261218"}),
        ("CL-202701", "FUT", {"exchange": "NYMEX", "lastTradeDateOrContractMonth": "202701"}),
        ("SPY-20261218-C-520.5", "OPT", {"symbol": "SPY", "right": "C", "strike": 520.5, "exchange": "SMART"}),
    ],
)
def test_symbol_names_its_contract_and_back(symbol: str, kind: str, fields: dict[str, object]) -> None:
    contract = contract_of(symbol)
    assert contract.secType == kind
    assert {name: getattr(contract, name) for name in fields} == fields
    if symbol not in ("ES", "CL-202701"):
        assert symbol_of(contract) == symbol


def test_symbol_of_no_form_is_refused() -> None:
    for nonsense in ("", "eur/usd", "A-B-C-D", "x" * 40):
        with pytest.raises(InvalidInput, match="asset"):
            contract_of(nonsense)


def test_future_without_a_date_is_the_soonest_that_is_not_to_be_rolled() -> None:
    listed = [future("20270319"), future("20261218"), future("20260918")]
    for today, expected in (
        (date(2026, 9, 1), "20260918"),
        (date(2026, 9, 9), "20260918"),
        (date(2026, 9, 10), "20261218"),  # eight days before: rolled
        (date(2026, 12, 9), "20261218"),
        (date(2026, 12, 10), "20270319"),
    ):
        chosen = choose(listed, "ES", today)
        assert chosen.contract is not None
        assert chosen.contract.lastTradeDateOrContractMonth == expected
    with pytest.raises(InvalidInput, match="no ES that can be traded now"):
        choose(listed, "ES", date(2027, 3, 18))


def test_several_contracts_of_one_name_are_told_apart_by_a_person() -> None:
    twice = [ContractDetails(contract=Contract(secType="STK", symbol="ABC", currency=c)) for c in ("USD", "CAD")]
    with pytest.raises(InvalidInput, match="names 2 contracts"):
        choose(twice, "ABC", date(2026, 1, 1))


def test_number_is_the_text_that_tws_sent() -> None:
    for text in ("0.00001", "1.1", "1000000", "0.1", "123456.78901"):
        assert number(float(text)) == Decimal(text)


def test_hours_come_from_the_market_where_it_is_known_and_else_from_its_sessions() -> None:
    def details(kind: str, hours: str, zone: str = "US/Eastern", exchange: str = "SMART") -> ContractDetails:
        contract = Contract(secType=kind, symbol="X", exchange=exchange)
        return ContractDetails(contract=contract, tradingHours=hours, timeZoneId=zone)

    unbroken = ";".join(f"2026120{d}:0000-2026120{d + 1}:0000" for d in range(1, 8))
    assert hours_of(details("CASH", unbroken)) == ALWAYS_OPEN
    sessions = "20261130:0930-20261130:1600;20261201:CLOSED;20261202:0930-20261202:1600"
    assert hours_of(details("STK", sessions)) == US_STOCK_HOURS
    assert hours_of(details("FUT", sessions, exchange="CME")) == CME_HOURS
    assert hours_of(details("CASH", sessions)) == FX_HOURS
    elsewhere = hours_of(details("STK", sessions, "Europe/Berlin"))
    assert elsewhere.sessions == (("MON 09:30", "MON 16:00"), ("WED 09:30", "WED 16:00"))
    assert elsewhere.timezone == "Europe/Berlin"
    assert elsewhere.is_open(datetime(2026, 11, 30, 9, 0, tzinfo=UTC))


async def test_futures_and_options_are_resolved_over_the_protocol(runtime: Runtime, tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue.yaml"
    catalogue.write_text(CATALOGUE)
    gateway = Gateway(runtime, tmp_path / "exchange", catalogue=catalogue)
    await gateway.start()
    try:
        broker, _ = await gateway.connected()
        later = await broker.resolve("ES-20270319")
        assert (later.symbol, later.multiplier, later.tick_size) == ("ES-20270319", Decimal(50), Decimal("0.25"))
        option = await broker.resolve("SPY-20261218-C-520.5")
        assert option.asset_class is AssetClass.OPTION
        assert option.option is not None
        assert (option.option.right, option.option.strike) == (OptionRight.CALL, Decimal("520.5"))
        stock = await broker.resolve("SPY")
        assert (stock.quote_kind, stock.asset_class) == ("TRADE", AssetClass.STOCK)
        with pytest.raises(InvalidInput, match="ES-20280616"):
            await broker.resolve("ES-20280616")
    finally:
        await gateway.close()


def test_contract_of_another_kind_is_refused() -> None:
    with pytest.raises(InvalidInput, match="BOND"):
        instrument_of(ContractDetails(contract=Contract(secType="BOND", symbol="X", currency="USD"), minTick=0.01))
