"""A trained model as a strategy: a declared feature vector in, an intention out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from live_trading.data.indicators import IndicatorSpec
from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.values import SignalType
from live_trading.strategies.base import BarContext, Signal, Strategy, StrategyParameters
from live_trading.strategies.features import Feature
from live_trading.strategies.models import Model, check_model_file, load_model

Intention = Literal["HOLD", "LONG", "SHORT", "EXIT"]


class ModelParameters(StrategyParameters):
    """What goes into the model, and what its numbers mean."""

    model: Path = Field(description="the model's file: .onnx, or TorchScript as .pt")
    features: tuple[str, ...] = Field(
        min_length=1, max_length=500, description="the feature vector, in order, such as return:5, rsi:14, position"
    )
    rows: int = Field(default=1, ge=1, le=1000, description="bars whose features go in together, oldest first")
    output: str | None = Field(default=None, description="name of the model's output to read; null for the last")
    meaning: Literal["classes", "score"] = Field(
        default="classes", description="whether it gives one number a class, or one score"
    )
    classes: tuple[Intention, ...] = Field(
        default=("HOLD", "LONG", "SHORT"), description="for classes: what each number stands for, in order"
    )
    threshold: float = Field(default=0.5, ge=-1e9, le=1e9, description="for classes: least number of the greatest")
    long_above: float = Field(default=0.5, description="for score: above it the model wants to be long")
    short_below: float = Field(default=-0.5, description="for score: below it the model wants to be short")
    flat_between: bool = Field(
        default=True, description="for score: whether it wants to be flat in between, or to hold"
    )
    allow_short: bool = Field(
        default=True, description="whether it may sell short; else it only leaves a long position"
    )

    @field_validator("features")
    @classmethod
    def _known(cls, features: tuple[str, ...]) -> tuple[str, ...]:
        for declared in features:
            try:
                Feature(declared)
            except InvalidInput as error:
                raise ValueError(f"{error.problem}. {error.remedy}") from error
        return features

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.short_below > self.long_above:
            raise ValueError("short_below must not be above long_above")
        return self


class ModelStrategy(Strategy[ModelParameters]):
    """Does what a trained model says.

    At each close it computes the declared features, runs the model, and reads from its numbers whether to be long,
    short or flat, or to hold what it has. The journal gets the model's digest, the features and the numbers, so that
    each decision can be computed again.
    """

    name = "ModelStrategy"
    Parameters = ModelParameters
    heavy = True

    def __init__(self) -> None:
        # A model is read once: it is the same function for as long as the operation runs, whatever becomes of the file.
        self._model: Model | None = None

    def warmup(self, parameters: ModelParameters, primary: BarSize) -> Mapping[BarSize, int]:
        check_model_file(parameters.model)
        return {primary: max(Feature(declared).needed for declared in parameters.features) + parameters.rows}

    def indicators(self, parameters: ModelParameters, primary: BarSize) -> Mapping[BarSize, Sequence[IndicatorSpec]]:
        specs = (Feature(declared).spec for declared in parameters.features)
        return {primary: tuple(dict.fromkeys(spec for spec in specs if spec is not None))}

    def on_bar(self, context: BarContext[ModelParameters]) -> Signal | None:
        parameters = context.parameters
        features = [Feature(declared) for declared in parameters.features]
        rows = [[each.value(context, back) for each in features] for back in reversed(range(parameters.rows))]
        known = [[value for value in row if value is not None] for row in rows]
        if any(len(row) != len(features) for row in known):
            return None
        if self._model is None:
            self._model = load_model(parameters.model, parameters.output)
        numbers = self._model.predict(known)
        intention = _intention(parameters, numbers)
        kind = _signal_type(intention, context, allow_short=parameters.allow_short)
        if kind is None:
            return None
        inputs: dict[str, object] = dict(zip(parameters.features, known[-1], strict=True))
        inputs |= {"model": self._model.digest[:16], "numbers": ", ".join(f"{number:.6g}" for number in numbers)}
        return Signal(kind, f"the model says {intention}", inputs)


def _intention(parameters: ModelParameters, numbers: Sequence[float]) -> Intention:
    if parameters.meaning == "score":
        (score,) = numbers
        if score > parameters.long_above:
            return "LONG"
        if score < parameters.short_below:
            return "SHORT"
        return "EXIT" if parameters.flat_between else "HOLD"
    if len(numbers) != len(parameters.classes):
        raise ValueError(f"the model gave {len(numbers)} numbers for {len(parameters.classes)} classes")
    best = max(range(len(numbers)), key=numbers.__getitem__)
    return parameters.classes[best] if numbers[best] >= parameters.threshold else "HOLD"


def _signal_type(intention: Intention, context: BarContext[ModelParameters], *, allow_short: bool) -> SignalType | None:
    position = context.position
    if intention == "LONG" and not position.is_long:
        return SignalType.ENTER_LONG
    if intention == "SHORT" and not position.is_short:
        if allow_short:
            return SignalType.ENTER_SHORT
        return None if position.is_flat else SignalType.EXIT
    if intention == "EXIT" and not position.is_flat:
        return SignalType.EXIT
    return None
