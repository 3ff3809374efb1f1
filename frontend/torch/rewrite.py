"""What `convert` does inside one forward method: calls to functions, and activations that are called twice."""

from __future__ import annotations

import inspect
from typing import Any

from torch import fx, nn
from torch.nn import functional

from ganglion.errors import CompileError

from .activation import Activation
from .conversion import Conversion, no_average, refused

RELUS = {"relu": None, "relu_": None, "relu6": 6.0}  # name of a function or tensor method -> where it clips
OTHERS = {
    *("celu", "elu", "gelu", "glu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "log_softmax"),
    *("logsigmoid", "mish", "prelu", "rrelu", "scaled_dot_product_attention", "selu", "sigmoid", "silu", "softmax"),
    *("softmin", "softplus", "softshrink", "softsign", "tanh", "tanhshrink", "threshold"),
}
POOLS = {"max_pool1d": nn.MaxPool1d, "max_pool2d": nn.MaxPool2d, "max_pool3d": nn.MaxPool3d}
GEOMETRY = {"stride": None, "padding": 0, "dilation": 1, "ceil_mode": False, "return_indices": False}
DROPOUTS: dict[Any, type[nn.Module]] = {
    functional.dropout: nn.Dropout,
    functional.dropout1d: nn.Dropout1d,
    functional.dropout2d: nn.Dropout2d,
    functional.dropout3d: nn.Dropout3d,
}


def rewrite(conversion: Conversion, module: nn.Module, path: str) -> nn.Module:
    """Convert the forward method of `module`, whose members are converted already.

    Returns `module` itself if nothing has to change in it, otherwise a GraphModule with the same members.
    """
    where = path or type(module).__name__
    graph = _trace(module, where)
    dropouts = _follow_mode(graph, module, where)
    changed = False
    called: set[nn.Module] = set()
    for node in list(graph.nodes):
        function, place = _function(node), f"{where}.{node.name}"
        target = module.get_submodule(str(node.target)) if node.op == "call_module" else None
        in_place = target in conversion.in_place
        made: tuple[str, nn.Module] | None = None
        if function in RELUS:
            in_place = function.endswith("_") or bool(_argument(node, 1, "inplace", False))
            made = "relu", conversion.activation(module, clip=RELUS[function])
        elif function.rstrip("_") in OTHERS:
            raise refused(function, place)
        elif function in POOLS and conversion.max_pool == "average":
            made = "pool", conversion.average(_max_pool(node, function), place).train(module.training)
        elif "max_pool" in function and conversion.max_pool == "average":
            raise no_average(function, place)
        elif isinstance(target, Activation) and target in conversion.created:
            if target in called:
                name = str(node.target).rpartition(".")[2]
                made = name if name.isidentifier() else "relu", conversion.activation(target, clip=_clip(target))
            called.add(target)
        if made:
            node = _replace(graph, node, module, *made)
            changed = True
        if in_place or target in conversion.overwriting:
            changed |= _keep_overwriting(conversion, module, node, place, in_place)
    if not changed:
        return module
    if dropouts is None:
        raise CompileError(
            f"the forward method of {type(module).__name__} does different things in training and in eval mode",
            origin=(where,),
            hint="use modules that know their mode, such as nn.Dropout",
        )
    for node in dropouts:
        dropout = DROPOUTS[node.target](_argument(node, 1, "p", 0.5))
        _replace(graph, node, module, "dropout", dropout.train(module.training))
    rewritten = _graph_module(module, graph)
    if module in conversion.overwriting:
        conversion.overwriting.add(rewritten)
    return rewritten


class _Tracer(fx.Tracer):
    """Follows one forward method; the modules it calls stay calls."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return True


def _trace(module: nn.Module, where: str) -> fx.Graph:
    parameters = inspect.signature(type(module).forward).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    try:
        graph = _Tracer().trace(module, concrete_args=defaults or None)
    except Exception as error:  # whatever the method does with something that is no tensor
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise CompileError(
            f"cannot follow the forward method of {type(module).__name__}, so its ReLUs cannot be found: {reason}",
            origin=(where,),
            hint="take control flow and asserts that depend on the input out of it",
        ) from error
    for node in graph.nodes:
        name = str(node.target).removesuffix("_1")
        if node.op == "placeholder" and name in defaults:
            node.target = name  # fx renamed it, but callers may use the name
    return graph


def _follow_mode(graph: fx.Graph, module: nn.Module, where: str) -> list[fx.Node] | None:
    """The dropouts in `graph` that depend on the mode (train, eval), which a trace has built in; None if anything
    else in it does."""
    module.training = not module.training
    try:
        other = _trace(module, where)
    finally:
        module.training = not module.training
    if len(graph.nodes) != len(other.nodes):
        return None
    dropouts = []
    for a, b in zip(graph.nodes, other.nodes, strict=True):
        if a.op != b.op or a.target != b.target:
            return None
        if str((a.args, a.kwargs)) != str((b.args, b.kwargs)):
            if a.target not in DROPOUTS:
                return None
            dropouts.append(a)
    return dropouts


def _function(node: fx.Node) -> str:
    if node.op == "call_method":
        return str(node.target)
    return str(getattr(node.target, "__name__", "")) if node.op == "call_function" else ""


def _argument(node: fx.Node, position: int, name: str, default: Any) -> Any:
    return node.args[position] if len(node.args) > position else node.kwargs.get(name, default)


def _clip(activation: Activation) -> float:
    return float(activation.threshold.item())


def _max_pool(node: fx.Node, function: str) -> nn.Module:
    geometry = {name: _argument(node, at, name, value) for at, (name, value) in enumerate(GEOMETRY.items(), start=2)}
    return POOLS[function](_argument(node, 1, "kernel_size", None), **geometry)


def _replace(graph: fx.Graph, node: fx.Node, owner: nn.Module, name: str, member: nn.Module) -> fx.Node:
    """A call of `member` on the first argument of `node`, in its place; `owner` gets it as `name`, `name`_2, ..."""
    free, count = name, 1
    while hasattr(owner, free):
        count += 1
        free = f"{name}_{count}"
    owner.add_module(free, member)
    with graph.inserting_after(node):
        call = graph.call_module(free, (_argument(node, 0, "input", None),))
    node.replace_all_uses_with(call)
    graph.erase_node(node)
    return call


def _keep_overwriting(conversion: Conversion, module: nn.Module, node: fx.Node, place: str, activation: bool) -> bool:
    """Whoever reads a tensor after an in-place ReLU reads the ReLU's result. True if a reader had to change."""
    source = _argument(node, 0, "input", None)
    if not isinstance(source, fx.Node):
        return False
    if source.op == "placeholder":
        conversion.overwriting.add(module)
    later = [user for user in source.users if user is not node and node < user]
    if later and not activation:
        raise CompileError(
            "it overwrites its input with the ReLU of it, and that input is used again afterwards",
            origin=(place,),
            hint="set inplace=False in it",
        )
    for user in later:
        user.replace_input_with(source, node)
    return bool(later)


def _graph_module(module: nn.Module, graph: fx.Graph) -> fx.GraphModule:
    """A GraphModule with all members and attributes of `module`, also those that its forward method does not use."""
    graph.lint()
    rewritten = fx.GraphModule(module, graph, class_name=type(module).__name__)
    state = vars(nn.Module()).keys()
    for name, value in vars(module).items():
        if name in state or name not in vars(rewritten):
            vars(rewritten)[name] = value
    return rewritten
