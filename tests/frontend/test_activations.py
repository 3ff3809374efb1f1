"""Activations are recognised by what they compute, however they are written."""

from __future__ import annotations

import numpy as np
import pytest

from ganglion.errors import CompileError
from ganglion.frontend import import_model, run_onnxruntime
from ganglion.ir import Bias, Dense, Graph, OneToOne, Staircase, Sum

from .helpers import Array, assert_same_meaning, build, dyadic, evaluate

THETA, LEVELS = np.float32(1.75), 7
CONSTANTS: dict[str, Array] = {
    "theta": np.array(THETA),
    "thetas": np.array([THETA]),
    "zero": np.array(0, np.float32),
    "one": np.array(1, np.float32),
    "half": np.array(0.5, np.float32),
    "L": np.array(LEVELS, np.float32),
    "s": np.array(THETA / np.float32(LEVELS)),
    "u8": np.array(0, np.uint8),
    "i8": np.array(0, np.int8),
    "low": np.array(-128, np.int8),
}
FLOOR = "{o}1 = Div({i}, theta) {o}2 = Clip({o}1, zero, one) {o}3 = Mul({o}2, L) {o}4 = Add({o}3, half) "
FORMS = {
    "floor": FLOOR + "{o}5 = Floor({o}4) {o}6 = Div({o}5, L) {o} = Mul({o}6, theta)",
    "one-element theta": (FLOOR + "{o}5 = Floor({o}4) {o}6 = Div({o}5, L) {o} = Mul(thetas, {o}6)").replace(
        "Div({i}, theta)", "Div({i}, thetas)"
    ),
    "straight-through": FLOOR
    + "{o}5 = Floor({o}4) {o}6 = Sub({o}5, {o}4) {o}7 = Add({o}4, {o}6) {o}8 = Div({o}7, L) {o} = Mul({o}8, theta)",
    "straight-through outside": FLOOR
    + "{o}5 = Floor({o}4) {o}6 = Div({o}5, L) {o}7 = Mul({o}6, theta) {o}8 = Sub({o}7, {i}) {o} = Add({o}8, {i})",
    "straight-through reversed": FLOOR
    + "{o}5 = Floor({o}4) {o}6 = Add({o}5, {o}4) {o}7 = Sub({o}6, {o}4) {o}8 = Div({o}7, L) {o} = Mul({o}8, theta)",
    "round": "{o}1 = Div({i}, s) {o}2 = Round({o}1) {o}3 = Relu({o}2) {o}4 = Min({o}3, L) {o} = Mul({o}4, s)",
    "ceil": "{o}1 = Div({i}, s) {o}2 = Sub({o}1, half) {o}3 = Neg({o}2) {o}4 = Ceil({o}3) {o}5 = Neg({o}4) "
    "{o}6 = Add({o}5, one) {o}7 = Clip({o}6, zero, L) {o} = Mul({o}7, s)",
    "cast": FLOOR + "{o}5 = Cast<to=6>({o}4) {o}6 = Cast<to=1>({o}5) {o} = Mul({o}6, s)",
}


def network(activation: str, *, constants: dict[str, Array] | None = None) -> Graph:
    """Gemm, the activation, Gemm: compared with onnxruntime."""
    body = f"a = Gemm(x, w) {activation.format(i='a', o='b')} y = Gemm(b, v)"
    weights = {"w": dyadic(7, 9), "v": dyadic(9, 4, seed=1), **CONSTANTS, **(constants or {})}
    return assert_same_meaning(build(body, x="float[N,7] x", weights=weights), input_range=(-1, 1), input_step=1 / 64)


@pytest.mark.parametrize("form", FORMS)
def test_every_way_to_write_qcfs_is_the_same_population(form: str) -> None:
    graph = network(FORMS[form])
    assert [type(op).__name__ for op in graph] == ["Input", "Dense", "Staircase", "Dense", "Readout"]
    (staircase,) = graph.of(Staircase)
    assert staircase.levels == LEVELS
    assert staircase.step == pytest.approx(float(THETA) / LEVELS, rel=1e-7)
    assert staircase.origin[-1].split("_")[0] in ("Mul", "Div")


def test_the_name_is_that_of_the_value_where_nothing_better_is_known() -> None:
    assert network(FORMS["floor"]).of(Staircase)[0].name == "b"


def test_quantise_dequantise_unsigned() -> None:
    graph = network("{o}1 = QuantizeLinear({i}, s, u8) {o} = DequantizeLinear({o}1, s, u8)")
    (staircase,) = graph.of(Staircase)
    assert (staircase.step, staircase.levels) == (float(CONSTANTS["s"]), 255)
    assert not graph.of(Bias)
    assert not graph.of(OneToOne)


def test_quantise_dequantise_signed_is_shifted() -> None:
    graph = network("{o}1 = QuantizeLinear({i}, s, i8) {o} = DequantizeLinear({o}1, s, i8)")
    (staircase,) = graph.of(Staircase)
    s = float(CONSTANTS["s"])
    assert (staircase.step, staircase.levels) == (s, 255)
    before, after = graph.of(Bias)
    assert before.bias == 128 * s
    assert after.bias == -128 * s
    assert before.name == "b.shift"
    assert after.name == "b.base"


def test_relu_before_a_signed_quantiser() -> None:
    graph = network("{o}0 = Relu({i}) {o}1 = QuantizeLinear({o}0, s, low) {o} = DequantizeLinear({o}1, s, low)")
    (staircase,) = graph.of(Staircase)
    assert (staircase.step, staircase.levels) == (float(CONSTANTS["s"]), 255)
    assert not graph.of(Bias)


def test_a_quantiser_that_only_halves_what_relu_leaves() -> None:
    graph = network("{o}0 = Relu({i}) {o}1 = QuantizeLinear({o}0, s, i8) {o} = DequantizeLinear({o}1, s, i8)")
    assert graph.of(Staircase)[0].levels == 127


def test_another_height_than_width_becomes_a_factor() -> None:
    graph = network(
        FORMS["floor"].replace("Mul({o}6, theta)", "Mul({o}6, three)"), constants={"three": np.array(3, np.float32)}
    )
    (gain,) = graph.of(OneToOne)
    assert gain.weight == pytest.approx(3 / float(THETA), rel=1e-6)
    assert gain.name == "b.gain"


def test_a_plain_floor_is_shifted_by_half_a_step() -> None:
    graph = network("{o}1 = Floor({i}) {o} = Clip({o}1, zero, L)")
    (shift,) = graph.of(Bias)
    assert shift.bias == -0.5
    assert (graph.of(Staircase)[0].step, graph.of(Staircase)[0].levels) == (1.0, LEVELS)


def test_a_falling_staircase() -> None:
    graph = network("{o}1 = Floor({i}) {o}2 = Clip({o}1, zero, L) {o} = Sub(one, {o}2)")
    assert [float(op.weight) for op in graph.of(OneToOne)] == [-1.0]


def test_a_step_function() -> None:
    graph = network("{o}1 = GreaterOrEqual({i}, half) {o}2 = Cast<to=1>({o}1) {o} = Mul({o}2, theta)")
    (staircase,) = graph.of(Staircase)
    assert (staircase.step, staircase.levels) == (1.0, 1)


@pytest.mark.parametrize("where", ["before", "after", "both"])
def test_constants_per_channel_at_the_ends_are_linear(where: str) -> None:
    per_channel = (np.arange(1, 10) / 4).astype(np.float32)
    lead = "{o}g = Mul({i}, c) {o}h = Add({o}g, half) " if where != "after" else "{o}h = Identity({i}) "
    tail = " {o} = Mul({o}t, c)" if where != "before" else " {o} = Identity({o}t)"
    graph = network(
        lead + FORMS["floor"].replace("{i}", "{o}h").replace("{o} =", "{o}t =") + tail, constants={"c": per_channel}
    )
    assert [op.weight.tolist() for op in graph.of(OneToOne)] == [per_channel.tolist()] * (2 if where == "both" else 1)
    (staircase,) = graph.of(Staircase)
    assert staircase.levels == LEVELS


def test_a_threshold_per_channel_becomes_factors() -> None:
    thetas = (np.arange(1, 10) / 4).astype(np.float32)
    for form in ("floor", "straight-through outside"):
        body = FORMS[form].replace("theta", "c")
        graph = network(body, constants={"c": thetas})
        inverse, direct = graph.of(OneToOne)
        assert np.allclose(inverse.weight, 1 / thetas.astype(np.float64), rtol=1e-12)
        assert direct.weight.tolist() == thetas.tolist()
        assert graph.of(Staircase)[0].step == pytest.approx(1 / LEVELS, rel=1e-7)


def test_equal_constants_per_channel_are_a_scalar() -> None:
    graph = network(FORMS["floor"], constants={"theta": np.full(9, THETA)})
    assert not graph.of(OneToOne)
    assert graph.of(Staircase)[0].step == pytest.approx(float(THETA) / LEVELS, rel=1e-7)


def test_a_value_read_outside_is_a_cut() -> None:
    """The staircase feeds a layer and a second staircase."""
    body = "{o}p = Floor({i}) {o}q = Clip({o}p, zero, L) "
    body += "{o}r = Mul({o}q, half) {o}s = Floor({o}r) {o} = Clip({o}s, zero, one)"
    graph = network(body)
    assert len(graph.of(Staircase)) == 1, "a staircase of a staircase is one function of the root"
    body += " c = Gemm({o}q, v)".format(o="b")
    weights = {"w": dyadic(7, 9), "v": dyadic(9, 4, seed=1), **CONSTANTS}
    whole = f"a = Gemm(x, w) {body.format(i='a', o='b')} d = Gemm(b, v) y = Add(c, d)"
    graph = assert_same_meaning(build(whole, x="float[N,7] x", weights=weights), input_range=(-1, 1), input_step=1 / 64)
    first, second = graph.of(Staircase)
    assert first.levels == LEVELS
    assert second.levels == 1
    assert len(graph.of(Sum)) == 1


def test_a_residual_branch_reads_the_population() -> None:
    weights = {"w": dyadic(7, 7), "v": dyadic(7, 7, seed=1), **CONSTANTS}
    body = f"a = Gemm(x, w) {FORMS['floor'].format(i='a', o='b')} c = Gemm(b, v) d = Add(c, b) "
    body += FORMS["straight-through"].format(i="d", o="y")
    graph = assert_same_meaning(build(body, x="float[N,7] x", weights=weights), input_range=(-1, 1), input_step=1 / 64)
    first, second = graph.of(Staircase)
    assert graph.of(Sum)[0].inputs == (graph.of(Dense)[1].name, first.name)
    assert second.name == "y_2", "the readout has the name of the output"
    assert graph.readout.inputs == (second.name,)


def test_the_same_activation_written_twice_is_one_population() -> None:
    weights = {"w": dyadic(7, 7), "v": dyadic(7, 7, seed=1), **CONSTANTS}
    twice = [FORMS["floor"].format(i="a", o=o) for o in ("b", "c")]
    body = f"a = Gemm(x, w) {' '.join(twice)} d = Gemm(b, v) y = Add(c, d)"
    graph = assert_same_meaning(build(body, x="float[N,7] x", weights=weights), input_range=(-1, 1), input_step=1 / 64)
    assert len(graph.of(Staircase)) == 1


def test_a_quantised_network() -> None:
    """As quantisers write it: 8-bit weights per channel, 32-bit biases, a quantiser after each op, Flatten too."""
    rng = np.random.default_rng(0)
    scales = {f"s{i}": np.array(s, np.float32) for i, s in enumerate((0.0131, 0.0217, 0.0417, 0.0093))}
    weights: dict[str, Array] = {
        **scales,
        "z0": np.array(119, np.uint8),
        "z1": np.array(0, np.uint8),
        "z3": np.array(131, np.uint8),
        "qw": rng.integers(-127, 128, (4, 2, 3, 3)).astype(np.int8),
        "sw": rng.uniform(0.002, 0.004, 4).astype(np.float32),
        "zw": np.zeros(4, np.int8),
        "qb": rng.integers(-3000, 9000, 4).astype(np.int32),
        "qv": rng.integers(-127, 128, (48, 5)).astype(np.int8),
        "sv": np.array(0.003, np.float32),
        "zv": np.array(0, np.int8),
    }
    weights["sb"] = weights["sw"] * weights["s0"]

    def pair(source: str, result: str, scale: str, zero: str) -> str:
        return (
            f"{result}q = QuantizeLinear({source}, {scale}, {zero}) "
            f"{result} = DequantizeLinear({result}q, {scale}, {zero}) "
        )

    body = pair("x", "a", "s0", "z0")
    body += "w = DequantizeLinear<axis=0>(qw, sw, zw) b = DequantizeLinear<axis=0>(qb, sb) "
    body += "v = DequantizeLinear(qv, sv, zv) "
    body += "c = Conv(a, w, b) r = Relu(c) " + pair("r", "d", "s1", "z1")
    body += "f = Flatten(d) " + pair("f", "g", "s1", "z1") + "h = Gemm(g, v) " + pair("h", "y", "s3", "z3")
    model = build(body, weights=weights)
    graph = import_model(model)
    first, last = graph.of(Staircase)
    assert (first.step, first.levels) == (float(weights["s1"]), 255)
    assert (last.step, last.levels) == (float(weights["s3"]), 255)
    assert (graph.input.low, graph.input.high) == (-119, 136)
    x = (rng.integers(-119, 137, (300, 2, 6, 5)) * weights["s0"]).astype(np.float32)
    wanted = run_onnxruntime(model, x) / weights["s3"]
    codes = evaluate(graph, x)[graph.readout.name] / float(weights["s3"])
    assert np.ptp(wanted) > 100
    assert (np.rint(codes) != np.rint(wanted)).sum() == 0, "not one code differs"


@pytest.mark.parametrize(
    ("activation", "message"),
    [
        ("{o} = LeakyRelu({i})", "LeakyRelu.*continuum"),
        ("{o} = Sigmoid({i})", "Sigmoid.*continuum"),
        ("{o} = HardSwish({i})", "HardSwish.*continuum"),
        ("{o} = Tanh({i})", "Tanh.*continuum"),
        ("{o} = Erf({i})", "Erf.*continuum"),
        ("{o} = Softplus({i})", "Softplus.*continuum"),
        ("{o}1 = Floor({i}) {o} = Add({o}1, {i})", "Floor.*continuum"),
        ("{o} = Floor({i})", "without an end"),
        ("{o}1 = Clip({i}, zero, one) {o}2 = Mul({o}1, million) {o} = Floor({o}2)", "more than 65535 levels"),
        ("{o}1 = Clip({i}, zero, L) {o}2 = Mul({o}1, {o}1) {o} = Floor({o}2)", "unequal width"),
        ("{o}1 = Round({i}) {o} = Clip({o}1, zero, theta)", "unequal height"),
        (
            "{o}1 = Floor({i}) {o}2 = Clip({o}1, zero, L) {o}3 = Neg({o}2) {o}4 = Mul({o}3, {o}2) {o} = Abs({o}4)",
            "unequal",
        ),
        ("{o}1 = Floor({i}) {o}2 = Abs({o}1) {o} = Clip({o}2, zero, L)", "not monotone"),
        ("{o}1 = Clip({i}, one, one) {o} = Floor({o}1)", "constant"),
        ("{o} = Sign({i})", "narrower than the precision"),
        ("{o} = Reciprocal({i})", "Reciprocal.*continuum"),
        ("{o}1 = Floor({i}) {o} = Reciprocal({o}1)", "not finite"),
        (
            "{o}1 = Floor({i}) {o}2 = Mul({o}1, c) {o} = Clip({o}2, zero, L)",
            "Mul: a constant with one value per channel",
        ),
    ],
)
def test_what_is_not_a_staircase_is_told_what_it_is(activation: str, message: str) -> None:
    constants = {"million": np.array(1e6, np.float32), "c": (np.arange(1, 10) / 4).astype(np.float32)}
    with pytest.raises(CompileError, match=message) as caught:
        network(activation, constants=constants)
    assert caught.value.origin
    assert caught.value.hint
    if "continuum" in message:
        assert "ganglion.frontend.torch.convert" in caught.value.hint
