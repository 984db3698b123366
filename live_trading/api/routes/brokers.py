"""Broker configurations: how accounts are reached. Secrets go in and never come out."""

from typing import Annotated

from fastapi import Path
from starlette.requests import Request
from starlette.responses import Response

from live_trading.api.answers import JSON, answer, encode
from live_trading.api.guard import ADMIN, VIEWER, Asking, Service, router
from live_trading.api.problems import Problem
from live_trading.api.schemas.brokers import Broker, Brokers, BrokerTest, BrokerToAdd, BrokerToChange
from live_trading.api.services import Services
from live_trading.brokers.configured import try_broker
from live_trading.domain.errors import InvalidInput
from live_trading.models.broker_configurations import BrokerConfigurations, BrokerView, NewBroker, UnknownBroker
from live_trading.models.secret_box import SecretBox

api = router("brokers")

Name = Annotated[
    str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", description="the configuration's name", examples=["practice"])
]


def _configurations(service: Services) -> BrokerConfigurations:
    box = SecretBox(service.settings.broker.secrets_key)
    return BrokerConfigurations(service.database, box, service.runtime.clock, service.runtime.ids)


def _problem(error: InvalidInput) -> Problem:
    if isinstance(error, UnknownBroker):
        return Problem(404, "NOT_FOUND", error.problem, field="name")
    if error.field == "name" and "already" in error.problem:
        return Problem(409, "BROKER_EXISTS", str(error), field="name")
    if "open operations" in error.problem:
        return Problem(409, "BROKER_IN_USE", f"{error.field}: {error.problem}", field="name")
    return Problem(422, "INVALID_INPUT", str(error), field=error.field)


def _told(view: BrokerView) -> dict[str, object]:
    return view.model_dump(mode="json")


@api.get("/brokers", response_model=Brokers, openapi_extra=VIEWER)
async def list_brokers(request: Request, service: Service) -> Response:
    """Every configuration. Of secrets only whether they are set."""
    found = await _configurations(service).all()
    return answer(request, {"items": [_told(view) for view in found]}, None)


@api.get("/brokers/{name}", response_model=Broker, openapi_extra=VIEWER)
async def get_broker(request: Request, service: Service, name: Name) -> Response:
    """One configuration."""
    try:
        return answer(request, _told(await _configurations(service).get(name)), None)
    except InvalidInput as error:
        raise _problem(error) from None


@api.post("/brokers", response_model=Broker, status_code=201, openapi_extra=ADMIN)
async def add_broker(service: Service, caller: Asking, body: BrokerToAdd) -> Response:
    """Add a configuration. The engine connects to it at its next start."""
    configurations = _configurations(service)
    try:
        await configurations.prepare()
        added = await configurations.add(NewBroker.model_validate(body.model_dump()), caller.actor)
    except InvalidInput as error:
        raise _problem(error) from None
    headers = {"Location": f"/api/brokers/{added.name}", "Cache-Control": "no-store"}
    return Response(encode(_told(added)), 201, headers, JSON)


@api.put("/brokers/{name}", response_model=Broker, openapi_extra=ADMIN)
async def change_broker(service: Service, caller: Asking, name: Name, body: BrokerToChange) -> Response:
    """Change a configuration. The engine takes it up at its next start."""
    try:
        changed = await _configurations(service).change(name, body, caller.actor)
    except InvalidInput as error:
        raise _problem(error) from None
    return Response(encode(_told(changed)), 200, {"Cache-Control": "no-store"}, JSON)


@api.delete("/brokers/{name}", status_code=204, response_class=Response, openapi_extra=ADMIN)
async def remove_broker(service: Service, caller: Asking, name: Name) -> Response:
    """Forget a configuration that no open operation names."""
    try:
        await _configurations(service).remove(name, caller.actor)
    except InvalidInput as error:
        raise _problem(error) from None
    return Response(status_code=204)


@api.post("/brokers/{name}/test", response_model=BrokerTest, openapi_extra=ADMIN)
async def probe_broker(service: Service, name: Name) -> Response:
    """Try to reach the account. Nothing is subscribed to, nothing is ordered, nothing is changed."""
    try:
        connection = await _configurations(service).connection(name)
    except InvalidInput as error:
        raise _problem(error) from None
    trial = await try_broker(connection, service.settings, service.runtime)
    content = {"name": name, "ok": trial.is_good, "detail": str(trial), "seconds": trial.seconds}
    return Response(encode(content), 200, {"Cache-Control": "no-store"}, JSON)
