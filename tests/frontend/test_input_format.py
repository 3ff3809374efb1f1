"""Which integer codes the network takes its input in."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from ganglion.errors import CompileError, InputError
from ganglion.frontend import Options, import_model, run_onnxruntime
from ganglion.ir import Bias, Graph, OneToOne, Staircase

from .helpers import assert_same_meaning, build, dyadic, evaluate

S = np.array(0.0371, np.float32)


def model(
    metadata: dict[str, str] | None = None, x: str = "float[N,7] x", body: str = "y = Gemm(x, w)"
) -> onnx.ModelProto:
    weights = {
        "w": dyadic(7, 3),
        "s": S,
        "u8": np.array(0, np.uint8),
        "z": np.array(100, np.uint8),
        "low": np.array(-3, np.int8),
    }
    return build(body, x=x, weights=weights, metadata=metadata)


def codes(graph: Graph) -> tuple[float, int, int, int, bool]:
    op = graph.input
    return op.scale, op.zero_point, op.low, op.high, op.saturate


def test_the_default_says_so() -> None:
    graph = import_model(model())
    assert codes(graph) == (1 / 128, 0, -1024, 1023, False)
    (note,) = graph.notes
    assert "--input-range" in note


def test_a_range() -> None:
    graph = import_model(model(), Options(input_range=(0, 1)))
    assert codes(graph) == (1 / 255, 0, 0, 255, False)
    assert graph.notes == ()
    assert codes(import_model(model(), Options(input_range=(-1, 1), input_step=1 / 16))) == (1 / 16, 0, -16, 16, False)


def test_the_models_metadata_and_what_goes_before_it() -> None:
    data = {"ganglion.input_range": "0,16", "ganglion.input_step": "0.0625"}
    assert codes(import_model(model(data))) == (1 / 16, 0, 0, 256, False)
    assert codes(import_model(model({"ganglion.input_range": "0,1"}))) == (1 / 255, 0, 0, 255, False)
    assert codes(import_model(model(data), Options(input_range=(0, 2)))) == (2 / 255, 0, 0, 255, False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_range": (1, 0)}, "LOW < HIGH"),
        ({"input_range": (0, np.nan)}, "finite"),
        ({"input_range": (0, 1), "input_step": 0}, "positive"),
        ({"input_range": (0, 1), "input_step": -1}, "positive"),
        ({"input_range": (0, 1), "input_step": 1e-9}, "codes"),
        ({"input_range": (0, 1e300), "input_step": 1e-300}, "codes"),
        ({"input_range": (0, 1), "input_step": 5}, "codes"),
        ({"input_step": 1}, "needs an input range"),
    ],
)
def test_nonsense_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        import_model(model(), Options(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["1", "a,b", "0,1,2", ""])
def test_nonsense_in_the_metadata_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"ganglion\.input_range"):
        import_model(model({"ganglion.input_range": text}))
    with pytest.raises(InputError, match=r"ganglion\.input_step"):
        import_model(model({"ganglion.input_range": "0,1", "ganglion.input_step": "x"}))


def test_integers_enter_as_they_are() -> None:
    body = "f = Cast<to=1>(x) g = Mul(f, s) y = Gemm(g, w)"
    graph = assert_same_meaning(model(x="uint8[N,7] x", body=body))
    assert codes(graph) == (1.0, 0, 0, 255, False)
    assert codes(assert_same_meaning(model(x="int8[N,7] x", body=body))) == (1.0, 0, -128, 127, False)


def test_integers_may_be_dequantised() -> None:
    graph = assert_same_meaning(model(x="uint8[N,7] x", body="f = DequantizeLinear(x, s, z) y = Gemm(f, w)"))
    assert codes(graph) == (1.0, 0, 0, 255, False)
    assert graph.of(Bias)[0].bias == -100


def test_an_activation_on_integers_is_a_population() -> None:
    body = (
        "f = Cast<to=1>(x) g = Mul(f, s) h = QuantizeLinear(g, s, low) i = DequantizeLinear(h, s, low) y = Gemm(i, w)"
    )
    graph = assert_same_meaning(model(x="uint8[N,7] x", body=body))
    assert graph.of(Staircase)[0].levels == 255


def test_wide_integers_are_refused() -> None:
    with pytest.raises(CompileError, match="int64"):
        import_model(model(x="int64[N,7] x", body="f = Cast<to=1>(x) y = Gemm(f, w)"))


@pytest.mark.parametrize(("zero", "low", "high"), [("u8", 0, 255), ("z", -100, 155), ("low", -125, 130)])
def test_a_quantised_input_sets_the_codes(zero: str, low: int, high: int) -> None:
    quantised = model(body=f"q = QuantizeLinear(x, s, {zero}) d = DequantizeLinear(q, s, {zero}) y = Gemm(d, w)")
    graph = import_model(quantised)
    assert codes(graph) == (float(S), 0, low, high, True)
    assert [type(op).__name__ for op in graph] == ["Input", "Dense", "Readout"]
    x = np.random.default_rng(0).uniform(-15, 15, (50, 7)).astype(np.float32)
    np.testing.assert_allclose(evaluate(graph, x)["y"], run_onnxruntime(quantised, x), rtol=1e-5, atol=1e-5)
    assert "quantises its own input" in import_model(quantised, Options(input_range=(0, 1))).notes[0]


def test_qcfs_on_the_input_sets_the_codes() -> None:
    body = "a = Div(x, s) b = Round(a) c = Clip(b, zero, seven) d = Mul(c, two) y = Gemm(d, w)"
    weights = {"w": dyadic(7, 3), "s": S, "zero": np.float32(0), "seven": np.float32(7), "two": np.float32(2)}
    scaled = build(body, x="float[N,7] x", weights=weights)
    graph = import_model(scaled)
    assert graph.input.scale == pytest.approx(float(S), rel=1e-6)
    assert codes(graph)[1:] == (0, 0, 7, True)
    assert graph.of(OneToOne)[0].weight == pytest.approx(2 / float(S), rel=1e-6)
    x = np.random.default_rng(0).uniform(-0.1, 0.4, (50, 7)).astype(np.float32)
    np.testing.assert_allclose(evaluate(graph, x)["y"], run_onnxruntime(scaled, x), rtol=1e-5, atol=1e-5)


def test_an_input_that_is_also_read_unquantised_is_an_ordinary_population() -> None:
    body = "q = QuantizeLinear(x, s, u8) d = DequantizeLinear(q, s, u8) e = Gemm(d, w) f = Gemm(x, w) y = Add(e, f)"
    graph = assert_same_meaning(model(body=body))
    assert codes(graph) == (1 / 128, 0, -1024, 1023, False)
    assert len(graph.of(Staircase)) == 1


def test_a_floor_on_the_input_is_an_ordinary_population() -> None:
    """Input codes are rounded; a floor is half a step away from that."""
    weights = {"w": dyadic(7, 3), "zero": np.float32(0), "seven": np.float32(7)}
    graph = assert_same_meaning(
        build("a = Floor(x) b = Clip(a, zero, seven) y = Gemm(b, w)", x="float[N,7] x", weights=weights),
        input_range=(-4, 8),
        input_step=1 / 8,
    )
    assert codes(graph) == (1 / 8, 0, -32, 64, False)
    assert (graph.of(Staircase)[0].step, graph.of(Staircase)[0].levels) == (1.0, 7)
    assert graph.of(Bias)[0].bias == -0.5
