"""A UNet's graph is cut in two that together compute the same, whatever its topology, weights, shapes and names."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from sdxl_desktop.engine.openvino import devices
from sdxl_desktop.engine.openvino.interruptible_request import Interrupt, InterruptibleInferRequest
from sdxl_desktop.engine.openvino.part_compiler import patch_unet
from sdxl_desktop.engine.openvino.step_caching import graph_cut
from sdxl_desktop.engine.openvino.step_caching.feature_cache import graphs_agree
from tests.engine.parity.tiny_checkpoints import TinyCheckpoints, topology_params
from tests.engine.tiny_sdxl import Topology

JOINS = dict.fromkeys(Topology, 2) | {Topology.BASE: 3}
"""Resnets of the last up block: a layer more than in a down block."""
SMALLEST = Topology.INPAINT


@pytest.fixture
def unet(tiny_checkpoints: TinyCheckpoints, deep_checkpoint: Path) -> Callable[..., ov.Model]:
    """The UNet of a topology; SDXL base's with as many layers as it has."""

    def read(topology: Topology = Topology.BASE) -> ov.Model:
        folder = deep_checkpoint / "ov" if topology is Topology.BASE else tiny_checkpoints.ov(topology)
        model = devices.core.read_model(folder / "unet" / "openvino_model.xml")
        patch_unet(model)
        return model

    return read


def compiled(model: ov.Model) -> InterruptibleInferRequest:
    config = devices.compile_properties("CPU", precision="f32", threads=1, cache="")
    return InterruptibleInferRequest(devices.core.compile_model(model, "CPU", config), Interrupt())


def both_agree(model: ov.Model, depth: int) -> bool:
    return graphs_agree(compiled(graph_cut.full_model(model, depth)), compiled(graph_cut.shallow_model(model, depth)))


@pytest.mark.parametrize("topology", topology_params())
def test_every_topology_has_a_join_for_each_resnet_of_the_last_block(
    topology: Topology, unet: Callable[..., ov.Model]
) -> None:
    assert len(graph_cut.find_skip_connections(unet(topology))) == JOINS[topology]


IN_EVERY_RUN = ((Topology.BASE, 3), (Topology.REFINER, 1), (Topology.SSD_1B, 2))
"""The deepest cut; four levels. Nine channels are cut below, with other names, shapes and weights."""


@pytest.mark.parametrize(
    ("topology", "depth"),
    [
        pytest.param(*each, marks=[] if each in IN_EVERY_RUN else [pytest.mark.slow])
        for each in ((topology, depth) for topology in Topology for depth in range(1, JOINS[topology] + 1))
    ],
)
def test_every_topology_is_cut_at_every_join(topology: Topology, depth: int, unet: Callable[..., ov.Model]) -> None:
    assert both_agree(unet(topology), depth)


def test_a_deeper_cut_leaves_more_to_compute_and_all_leave_little(unet: Callable[..., ov.Model]) -> None:
    model = unet()
    sizes = [len(graph_cut.shallow_model(model, depth).get_ops()) for depth in (1, 2, 3)]
    assert sizes == sorted(set(sizes))
    assert sizes[-1] < len(model.get_ops()) / 3


def test_the_prompt_is_not_asked_for_where_nothing_reads_it(unet: Callable[..., ov.Model]) -> None:
    inputs = {port.get_any_name() for port in graph_cut.shallow_model(unet(), 1).inputs}
    assert inputs == {"sample", "timestep", "text_embeds", "time_ids", graph_cut.DEEP_FEATURE}


def test_names_do_not_matter(unet: Callable[..., ov.Model]) -> None:
    model = unet(SMALLEST)
    expected = [join.source.get_node().get_name() for join in graph_cut.find_skip_connections(model)]
    for number, node in enumerate(np.random.default_rng(0).permutation(np.array(model.get_ops(), dtype=object))):
        node.set_friendly_name(f"n{number}")
    assert [join.source.get_node().get_name() for join in graph_cut.find_skip_connections(model)] == expected
    assert both_agree(model, 2)


def test_shapes_may_be_fixed(unet: Callable[..., ov.Model]) -> None:
    model = unet(SMALLEST)
    sizes = {"sample": [2, 9, 24, 16], "timestep": [1], "encoder_hidden_states": [2, 77, 80]}
    free = {port: sizes.get(port.get_any_name()) for port in model.inputs}
    model.reshape({port: size or [2, port.get_partial_shape()[1].get_length()] for port, size in free.items()})
    assert graph_cut.shallow_model(model, 2).input(graph_cut.DEEP_FEATURE).get_partial_shape().is_static
    assert both_agree(model, 2)


def _in_16_bits(model: ov.Model, folder: Path) -> ov.Model:
    ov.save_model(model, folder / "m.xml", compress_to_fp16=True)
    return devices.core.read_model(folder / "m.xml")


def _in_8_bits(model: ov.Model, _: Path) -> ov.Model:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import nncf
    return nncf.compress_weights(model)


def _quantized(model: ov.Model, _: Path) -> ov.Model:
    """As a quantizer leaves it: what is joined is rounded to 8 bits on every input."""
    bounds = [ops.constant(np.float32(value)) for value in (-8, 8, -8, 8)]
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Concat" and node.get_output_partial_shape(0).rank.get_length() == 4:
            for port in node.inputs():
                source = port.get_source_output()
                port.replace_source_output(ops.fake_quantize(source, *bounds, 256).output(0))
    return model


@pytest.mark.parametrize(
    "change", [_in_8_bits, *(pytest.param(one, marks=pytest.mark.slow) for one in (_in_16_bits, _quantized))]
)
@pytest.mark.parametrize(
    ("topology", "depth"),
    [(SMALLEST, 2), *(pytest.param(Topology.BASE, depth, marks=pytest.mark.slow) for depth in (1, 2, 3))],
)
def test_weights_and_features_may_be_of_any_kind(
    topology: Topology,
    depth: int,
    change: Callable[[ov.Model, Path], ov.Model],
    unet: Callable[..., ov.Model],
    tmp_path: Path,
) -> None:
    model = change(unet(topology), tmp_path)
    assert len(graph_cut.find_skip_connections(model)) == JOINS[topology]
    assert both_agree(model, depth)


def test_the_graph_that_is_cut_stays_as_it_was(unet: Callable[..., ov.Model]) -> None:
    model = unet()
    before = [node.get_name() for node in model.get_ordered_ops()]
    graph_cut.full_model(model, 1), graph_cut.shallow_model(model, 2)
    assert [node.get_name() for node in model.get_ordered_ops()] == before
    assert len(model.outputs) == 1


def test_what_has_no_joins_is_not_cut() -> None:
    sample = ops.parameter([-1, 4, -1, -1], np.float32)
    twice = ops.concat([sample, ops.relu(sample)], 0)
    other = ops.concat([ops.relu(sample), ops.tanh(sample)], 1)
    assert graph_cut.find_skip_connections(ov.Model([ops.result(twice), ops.result(other)], [sample])) == ()


def test_graphs_that_say_different_things_are_found_out(unet: Callable[..., ov.Model]) -> None:
    model = unet()
    full, shallow = compiled(graph_cut.full_model(model, 2)), compiled(graph_cut.shallow_model(model, 1))
    assert not graphs_agree(full, shallow), "the feature of another depth, of the same shape"
    others = compiled(graph_cut.shallow_model(_with_another_end(model), 2))
    assert not graphs_agree(full, others), "other weights"
    assert graphs_agree(full, compiled(graph_cut.shallow_model(model, 2)))


def _with_another_end(model: ov.Model) -> ov.Model:
    copy: Any = model.clone()
    result = copy.get_results()[0]
    scaled = ops.multiply(result.input_value(0), ops.constant(np.float32(1.02)))
    result.input(0).replace_source_output(scaled.output(0))
    return copy
