"""Computes the angles of a UNet's sinusoidal embeddings in 32 bits, independent of the rest of the graph.

Timesteps and sizes are passed to the UNet as sines and cosines of their products with about 160 frequencies. On CPUs
that compute in bf16, OpenVINO also computes these angles in bf16, which has 8 bits: 951 becomes 952, an original height
of 1365 becomes 1368, and an angle of 856.2 becomes 856. This moves the UNet's output several times further from the
32-bit result than the rest of bf16 does. Only the sines themselves stay in 32 bits.

OpenVINO keeps nodes in 32 bits if they have an attribute that cannot be set from Python, but is read from a graph
file. So the chain from the input to the sines is read again with the attribute, and replaces the old one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino import opset13 as ops

_RESHAPING_OPS = {"Broadcast", "Convert", "Reshape", "Squeeze", "Unsqueeze"}
_Output = tuple[str, tuple[int, ...]]
_ANY: _Output = ("FP32", (-1, -1))
_ROW: _Output = ("FP32", (1, -1))
_TWO: _Output = ("I64", (2,))
_CHAIN: tuple[tuple[str, str, dict[str, str], tuple[str, ...], _Output | None], ...] = (
    # name, type, attributes, inputs, output
    ("value", "Parameter", {"shape": "?,?", "element_type": "f32"}, (), _ANY),
    ("column", "Parameter", {"shape": "2", "element_type": "i64"}, (), _TWO),
    ("frequencies", "Parameter", {"shape": "1,?", "element_type": "f32"}, (), _ROW),
    ("values", "Reshape", {"special_zero": "false"}, ("value", "column"), _ANY),
    ("angles", "Multiply", {"auto_broadcast": "numpy"}, ("values", "frequencies"), _ANY),
    ("Sin", "Sin", {}, ("angles",), _ANY),
    ("Cos", "Cos", {}, ("angles",), _ANY),
    ("sines", "Result", {}, ("Sin",), None),
    ("cosines", "Result", {}, ("Cos",), None),
)


def compute_timestep_embeddings_in_f32(model: ov.Model, core: ov.Core) -> None:
    """Compute the embeddings of `model`, a UNet, in 32 bits; changes it. Unrecognized patterns stay unchanged."""
    batch = next((port for port in model.inputs if port.get_any_name() == "sample"), None)
    made: dict[tuple[str, bytes], dict[str, Any]] = {}
    for wave in [node for node in model.get_ordered_ops() if node.get_type_name() in ("Sin", "Cos")]:
        source, frequencies, repeated = _trace_angles(wave.input_value(0))
        is_given = source.get_node().get_type_name() == "Parameter" and source.get_element_type() == ov.Type.f32
        if not is_given or frequencies is None or (repeated and batch is None):
            continue
        key = source.get_node().get_friendly_name(), frequencies.tobytes()
        if key not in made:
            made[key] = _exact_chain(core, source, frequencies)
        exact = made[key][wave.get_type_name()].output(0)
        if repeated:  # once per batch row
            rows = ops.gather(ops.shape_of(batch), np.array([0]), np.array(0))
            exact = ops.broadcast(exact, ops.concat([rows, np.array([frequencies.size])], 0)).output(0)
        for reader in list(wave.output(0).get_target_inputs()):
            reader.replace_source_output(exact)
    if made:
        model.validate_nodes_and_infer_types()


def _trace_angles(value: Any) -> tuple[Any, npt.NDArray[np.float32] | None, bool]:
    """Return the factors of the angles: (graph input, frequencies [1, F] it is multiplied by, whether it is repeated
    for the batch). The frequencies are None if they are not constant."""
    frequencies: npt.NDArray[np.float32] | None = None
    repeated = False
    while True:
        node = value.get_node()
        if node.get_type_name() == "Multiply":
            factors = [_constant_value(node.input_value(port)) for port in (0, 1)]
            number = 0 if factors[0] is not None else 1
            factor = factors[number]
            if factor is None:
                return value, None, repeated
            frequencies = factor if frequencies is None else frequencies * factor
            value = node.input_value(1 - number)
        elif node.get_type_name() in _RESHAPING_OPS:
            repeated = repeated or node.get_type_name() == "Broadcast"
            value = node.input_value(0)
        else:
            return value, None if frequencies is None else frequencies.reshape(1, -1), repeated


def _constant_value(value: Any) -> npt.NDArray[np.float32] | None:
    node = value.get_node()
    while node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    return np.asarray(node.data, np.float32) if node.get_type_name() == "Constant" else None


def _exact_chain(core: ov.Core, source: Any, frequencies: npt.NDArray[np.float32]) -> dict[str, Any]:
    """Return the nodes from `source` to the sines and cosines, by name; their outputs are [N, F] for the N numbers of
    `source`."""
    read = core.read_model(_chain_xml().encode(), ov.Tensor(np.zeros(1, np.uint8)))
    nodes = {node.get_friendly_name(): node for node in read.get_ordered_ops()}
    nodes["values"].input(0).replace_source_output(source)
    nodes["values"].input(1).replace_source_output(ops.constant(np.array([-1, 1])).output(0))
    nodes["angles"].input(1).replace_source_output(ops.constant(frequencies).output(0))
    return nodes


def _chain_xml() -> str:
    """Return the chain in OpenVINO's IR format."""
    places = {name: (str(number), len(inputs), output) for number, (name, _, _, inputs, output) in enumerate(_CHAIN)}
    layers, edges = [], []
    for name, kind, attributes, inputs, output in _CHAIN:
        number = places[name][0]
        data = "".join(f' {key}="{value}"' for key, value in attributes.items())
        precise = "" if kind in ("Parameter", "Result") else '<attribute name="precise" version="0"/>'
        given = "".join(_port_xml(at, places[one][2]) for at, one in enumerate(inputs))
        gives = "" if output is None else f"<output>{_port_xml(len(inputs), output)}</output>"
        layers.append(
            f'<layer id="{number}" name="{name}" type="{kind}" version="opset1"><data{data}/>'
            f"<rt_info>{precise}</rt_info><input>{given}</input>{gives}</layer>"
        )
        for at, one in enumerate(inputs):
            origin, port, _ = places[one]
            edges.append(f'<edge from-layer="{origin}" from-port="{port}" to-layer="{number}" to-port="{at}"/>')
    return f'<net name="angles" version="11"><layers>{"".join(layers)}</layers><edges>{"".join(edges)}</edges></net>'


def _port_xml(number: int, output: _Output | None) -> str:
    assert output is not None
    precision, sides = output
    return f'<port id="{number}" precision="{precision}">{"".join(f"<dim>{side}</dim>" for side in sides)}</port>'
