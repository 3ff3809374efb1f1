"""What every core takes, counted anew from the walk over the synapses: neurons, axons, synapses, and their memory."""

from __future__ import annotations

import numpy as np

from ganglion.ir import Array, Conv2d, GroupNeuron, OneToOne, Projection
from ganglion.targets import Hardware, Lists

from .layers import Layer, Link
from .result import Core
from .tiles import bias_synapses, lateral_synapses
from .walk import Reaches

WIDE = 8  # bits of a synapse within a cluster, and of one that brings a bias


class Recount:
    """The use of all cores, (cores,) by resource, while population after population is added."""

    def __init__(self, hardware: Hardware, cores: tuple[Core, ...]) -> None:
        names = ["neurons", "in-axons", "out-axons", "synapses", "thresholds", "synapse formats"]
        names += ["synaptic words", "words of one axon"] if hardware.lists else []
        self.hardware, self.cores = hardware, cores
        self.use = {name: np.zeros(len(cores), np.int64) for name in names}
        self.kept = np.zeros(len(cores), np.int64)  # weights in memory

    def add_link(self, link: Link, layer: Layer, needs: list[Array], found: Reaches, members: int) -> None:
        """What one projection brings to the cores of `layer` from source neurons of so many `members`."""
        use, lists = self.use, self.hardware.lists
        np.add.at(use["in-axons"], found.core, members)
        np.add.at(use["synapses"], found.core, found.synapses * layer.members)
        shared = self.hardware.shares_convolutions and has_kernel(link.projection)
        self.kept += layer.members * (
            kernel_weights(link, needs, len(self.cores)) if shared else weighed(found.core, found.synapses, self.kept)
        )
        if lists:
            width = narrowest(link.projection, lists)
            words = words_of(lists, found.rows, found.synapses // found.rows * layer.members, width)
            np.add.at(use["synaptic words"], found.core, words)
            np.maximum.at(use["words of one axon"], found.core, words)

    def add_senders(self, sender: Array, members: int) -> None:
        """An out-axon of every member for every core that its neuron reaches; `sender` (P,) is its core."""
        np.add.at(self.use["out-axons"], sender, members)

    def add_own(self, layer: Layer, needs: list[Array]) -> None:
        """What a population has beside its projections: membranes, lateral inhibition, a neuron for its bias."""
        use, hardware, lists = self.use, self.hardware, self.hardware.lists
        every = np.concatenate([need.ravel() for need in needs])
        held = np.bincount(every[every >= 0], minlength=len(self.cores))
        mine = np.array([core.population == layer.name for core in self.cores])
        use["neurons"] += held * layer.members * hardware.per_neuron
        if layer.lateral:
            each = lateral_synapses(layer, hardware)
            use["in-axons"] += held * layer.members
            use["out-axons"] += held * layer.members
            use["synapses"] += held * layer.members * each
            self.kept += held * layer.members * each
            if lists:
                one = int(words_of(lists, np.array(1), np.array(each), WIDE))
                use["synaptic words"] += held * layer.members * one
        if extra := bias_synapses(layer, hardware):
            use["neurons"] += mine
            use["in-axons"] += mine
            use["synapses"] += held * layer.members * extra
            self.kept += held * layer.members * extra
            if lists:
                use["synaptic words"] += mine * words_of(lists, np.array(1), held * layer.members * extra, WIDE)
        for i in np.flatnonzero(mine):
            use["thresholds"][i] = thresholds_on(layer, self.cores[i])
        use["synapse formats"][mine] = self.formats(layer)

    def formats(self, layer: Layer) -> int:
        """Different widths and exponents of a population's synapses, with one for each part of a long value."""
        if not self.hardware.lists:
            return 0
        links = [link.projection for link in layer.incoming if link.entry]
        different = {(narrowest(p, self.hardware.lists), p.exponent) for p in links}
        parts = lateral_synapses(layer, self.hardware) // layer.members if layer.lateral else 0
        return len(different) + parts + bias_synapses(layer, self.hardware)

    def total(self) -> dict[str, Array]:
        """All that was counted, and the bytes that it takes where the chip counts bytes."""
        m, use = self.hardware.memory, self.use
        if m is None:
            return use
        synapses = self.kept * m.synapse
        axons = use["in-axons"] * m.axon_in + use["out-axons"] * m.axon_out
        return use | {
            "synaptic memory": synapses,
            "memory": m.program + use["neurons"] * m.neuron + synapses + axons,
        }


def words_of(lists: Lists, rows: Array, run: Array, width: int) -> Array:
    """Words of a list of `rows` runs of `run` synapses: entries of at most so many synapses, each with its prefix."""
    entries = rows * np.ceil(run / lists.run).astype(np.int64)
    bits = rows * run * width + entries * lists.prefix_bits
    return np.asarray(np.ceil(bits / lists.word_bits), np.int64)


def narrowest(projection: Projection, lists: Lists) -> int:
    """The narrowest width that holds all weights of a projection with their signs."""
    low, high = int(projection.weight.min(initial=0)), int(projection.weight.max(initial=0))
    fitting = [bits for bits in lists.bits if max(-low, high) < 2 ** (bits - 1)]
    return min(fitting, default=max(lists.bits))


def has_kernel(projection: Projection) -> bool:
    """Whether one set of weights serves all places."""
    return isinstance(projection, Conv2d) or (isinstance(projection, OneToOne) and projection.weight.ndim < 2)


def kernel_weights(link: Link, needs: list[Array], cores: int) -> Array:
    """The weights of all channels of the result that a core has membranes of, (cores,)."""
    projection, found = link.projection, np.zeros(cores, np.int64)
    each = projection.weight[0].size if isinstance(projection, Conv2d) else 1
    channels = projection.map_shape(link.shape)[0]
    for channel in range(projection.offset, projection.offset + channels):
        here = np.unique(np.concatenate([need[channel].ravel() for need in needs]))
        found[here[here >= 0]] += each
    return found


def weighed(core: Array, synapses: Array, like: Array) -> Array:
    """Synapses by core."""
    total = np.zeros_like(like)
    np.add.at(total, core, synapses)
    return total


def thresholds_on(layer: Layer, core: Core) -> int:
    """Different thresholds, and different negative ones, of the channels of a core."""
    op, (first, beyond) = layer.op, core.box[0]
    tables = [op.thresholds, op.negative] if isinstance(op, GroupNeuron) else []
    held = [t if t.ndim == 1 else t[:, first:beyond] for t in tables if t is not None]
    return sum(len(set(t.ravel().tolist())) for t in held)
