"""Weight deltas of adapters other than plain LoRA for a layer's weight W, by their published formulas.

LoHa (Hyeon-Woo et al., FedPara, arXiv 2108.06098) adds (w1_a · w1_b) ∘ (w2_a · w2_b); LoKr (Edalati et al., KronA,
arXiv 2212.10650) adds w1 ⊗ w2, each a full matrix or a product of two; (IA)³ (Liu et al., arXiv 2205.05638) adds W
times a factor per output or input; a full difference adds itself. The tensor layout is that of LyCORIS (Yeh et al.,
arXiv 2309.14859), where convolutions have a third tensor (Tucker decomposition) or their kernel in the columns. DoRA
(Liu et al., arXiv 2402.09353) sets the norms of the rows, or columns, of W plus its delta.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from sdxl_desktop.formats.lora_keys import TensorRole
from sdxl_desktop.formats.safetensors_header import Shape

Array = NDArray[np.float32]
_LOHA = (TensorRole.HADA_W1_A, TensorRole.HADA_W1_B, TensorRole.HADA_W2_A, TensorRole.HADA_W2_B)
_LOKR = (
    TensorRole.LOKR_W1,
    TensorRole.LOKR_W1_A,
    TensorRole.LOKR_W1_B,
    TensorRole.LOKR_W2,
    TensorRole.LOKR_W2_A,
    TensorRole.LOKR_W2_B,
)


class AdapterMismatchError(ValueError):
    """The tensors do not form a valid weight delta; the message is a phrase."""


class WeightDelta(Protocol):
    """The delta of one layer's weight; its tensors are read from the file when needed."""

    @property
    def weight_shape(self) -> Shape:
        """The shape of the target weight: [out, in], [out, in, h, w], or [out, all others] if no more is known."""
        ...

    @property
    def needs_weight(self) -> bool:
        """Whether `delta_weight` depends on the values of the weight that it is added to."""
        ...

    def fits(self, shape: Shape) -> bool:
        """Whether it can be added to a weight of this shape."""
        ...

    def delta_weight(self, tensors: Any, weight: Array) -> Array:
        """Return the delta for `weight`, float32 [out, in] or [out, in, h, w] like it, from the open file.

        Only the shape of `weight` is used unless `needs_weight`. `fits` must be true for that shape."""
        ...


def read_float32(tensors: Any, name: str) -> Array:
    """Read the tensor `name` of the open file as float32, in its own shape [...]."""
    values: Array = tensors.get_tensor(name).to(torch.float32).numpy()
    return values


def lycoris_delta(
    names: Mapping[TensorRole, str], shapes: Mapping[TensorRole, Shape], scale: Callable[[int], float]
) -> WeightDelta | None:
    """Return the weight delta of the tensors `names` with these `shapes`; None if they are of none of these kinds.

    `scale` returns alpha / rank for a rank. Raises AdapterMismatchError if tensors are missing or inconsistent.
    """
    there = names.keys()
    if there & {*_LOHA, TensorRole.HADA_T1, TensorRole.HADA_T2}:
        return _loha_delta(names, shapes, scale)
    if there & {*_LOKR, TensorRole.LOKR_T2}:
        return _lokr_delta(names, shapes, scale)
    if TensorRole.IA3 in there:
        if (
            TensorRole.IA3_ON_INPUT not in there
            or math.prod(shapes[TensorRole.IA3]) < 1
            or math.prod(shapes[TensorRole.IA3_ON_INPUT]) != 1
        ):
            raise AdapterMismatchError("the numbers of (IA)³ are not whole")
        return Ia3Delta(names[TensorRole.IA3], names[TensorRole.IA3_ON_INPUT], math.prod(shapes[TensorRole.IA3]))
    if TensorRole.DIFF in there:
        shape = shapes[TensorRole.DIFF]
        if len(shape) not in (2, 4) or 0 in shape:
            raise AdapterMismatchError(f"the difference has the shape {list(shape)}")
        return FullDelta(names[TensorRole.DIFF], shape)
    return None


@dataclass(frozen=True, slots=True)
class _Matrix:
    """A matrix [rows, columns]: one tensor, or `a` · `b`, or a Tucker core `t` [r, r, h, w] with `a` [r, rows] and
    `b` [r, in]."""

    rows: int
    columns: int
    tensor: str = ""
    a: str = ""
    b: str = ""
    t: str = ""
    rank: int = 0

    def read(self, tensors: Any) -> Array:
        """Return the matrix, float32 [rows, columns]."""
        if self.tensor:
            return read_float32(tensors, self.tensor).reshape(self.rows, self.columns)
        a, b = read_float32(tensors, self.a), read_float32(tensors, self.b)
        if not self.t:
            return a.reshape(len(a), -1) @ b.reshape(len(b), -1)
        made = np.einsum("ijkl,jr,ip->prkl", read_float32(tensors, self.t), b, a, optimize=True)
        return np.asarray(made, np.float32).reshape(self.rows, self.columns)


def _product(
    names: Mapping[TensorRole, str],
    shapes: Mapping[TensorRole, Shape],
    a: TensorRole,
    b: TensorRole,
    t: TensorRole | None,
) -> _Matrix:
    if missing := [role for role in (a, b) if role not in names]:
        raise AdapterMismatchError(f"the {missing[0]} tensor is missing")
    left, right = shapes[a], shapes[b]
    if t is None or t not in names:
        if len(left) < 2 or len(right) < 2 or 0 in (*left, *right) or math.prod(left[1:]) != right[0]:
            raise AdapterMismatchError(f"the sizes disagree: {a} {list(left)}, {b} {list(right)}")
        return _check_rank(_Matrix(left[0], math.prod(right[1:]), a=names[a], b=names[b], rank=right[0]))
    core = shapes[t]
    if len(core) != 4 or len(left) != 2 or len(right) != 2 or 0 in (*core, *left, *right):
        raise AdapterMismatchError(f"the sizes disagree: {t} {list(core)}, {a} {list(left)}, {b} {list(right)}")
    if core[0] != left[0] or core[1] != right[0]:
        raise AdapterMismatchError(f"the sizes disagree: {t} {list(core)}, {a} {list(left)}, {b} {list(right)}")
    columns = right[1] * core[2] * core[3]
    return _check_rank(_Matrix(left[1], columns, a=names[a], b=names[b], t=names[t], rank=right[0]))


def _check_rank(matrix: _Matrix) -> _Matrix:
    if matrix.rank > max(matrix.rows, matrix.columns):  # a higher rank adds nothing and could take any time
        raise AdapterMismatchError(f"the rank is {matrix.rank:,}, for {matrix.rows:,}×{matrix.columns:,} numbers")
    return matrix


def _whole(names: Mapping[TensorRole, str], shapes: Mapping[TensorRole, Shape], role: TensorRole) -> _Matrix:
    shape = shapes[role]
    if len(shape) < 2 or 0 in shape:
        raise AdapterMismatchError(f"{role} has the shape {list(shape)}")
    return _Matrix(shape[0], math.prod(shape[1:]), tensor=names[role])


def _loha_delta(
    names: Mapping[TensorRole, str], shapes: Mapping[TensorRole, Shape], scale: Callable[[int], float]
) -> LohaDelta:
    one = _product(names, shapes, TensorRole.HADA_W1_A, TensorRole.HADA_W1_B, TensorRole.HADA_T1)
    two = _product(names, shapes, TensorRole.HADA_W2_A, TensorRole.HADA_W2_B, TensorRole.HADA_T2)
    if (one.rows, one.columns) != (two.rows, two.columns):
        raise AdapterMismatchError(
            f"{one.rows}×{one.columns} and {two.rows}×{two.columns} cannot be multiplied one by one"
        )
    return LohaDelta(one, two, scale(one.rank))


def _lokr_delta(
    names: Mapping[TensorRole, str], shapes: Mapping[TensorRole, Shape], scale: Callable[[int], float]
) -> LokrDelta:
    if TensorRole.LOKR_W1 in names:
        one = _whole(names, shapes, TensorRole.LOKR_W1)
    else:
        one = _product(names, shapes, TensorRole.LOKR_W1_A, TensorRole.LOKR_W1_B, None)
    if TensorRole.LOKR_W2 in names:
        two = _whole(names, shapes, TensorRole.LOKR_W2)
    else:
        two = _product(names, shapes, TensorRole.LOKR_W2_A, TensorRole.LOKR_W2_B, TensorRole.LOKR_T2)
    rank = two.rank or one.rank
    return LokrDelta(one, two, scale(rank) if rank else 1.0)  # without a rank alpha has no meaning


class _MatrixDelta(ABC):
    """Base for deltas that know only the rows and the product of all other dimensions; the weight has the kernel."""

    __slots__ = ()

    needs_weight = False

    @property
    @abstractmethod
    def weight_shape(self) -> Shape:
        """The shape of the weight that the delta is added to."""

    def fits(self, shape: Shape) -> bool:
        rows, *others = self.weight_shape
        return shape[0] == rows and math.prod(shape[1:]) == math.prod(others)


@dataclass(frozen=True, slots=True)
class LohaDelta(_MatrixDelta):
    """LoHa."""

    w1: _Matrix
    w2: _Matrix
    scale: float

    @property
    def weight_shape(self) -> Shape:
        return self.w1.rows, self.w1.columns

    def delta_weight(self, tensors: Any, weight: Array) -> Array:
        made = self.w1.read(tensors) * self.w2.read(tensors) * np.float32(self.scale)
        return made.reshape(weight.shape)


@dataclass(frozen=True, slots=True)
class LokrDelta(_MatrixDelta):
    """LoKr. The columns of the second matrix are input channels and the kernel, which stay innermost."""

    w1: _Matrix
    w2: _Matrix
    scale: float

    @property
    def weight_shape(self) -> Shape:
        return self.w1.rows * self.w2.rows, self.w1.columns * self.w2.columns

    def delta_weight(self, tensors: Any, weight: Array) -> Array:
        made = np.kron(self.w1.read(tensors), self.w2.read(tensors)) * np.float32(self.scale)
        return made.reshape(weight.shape)


@dataclass(frozen=True, slots=True)
class FullDelta(_MatrixDelta):
    """A full difference."""

    name: str
    shape: Shape

    @property
    def weight_shape(self) -> Shape:
        return self.shape

    def delta_weight(self, tensors: Any, weight: Array) -> Array:
        return read_float32(tensors, self.name).reshape(weight.shape)


@dataclass(frozen=True, slots=True)
class Ia3Delta:
    """(IA)³: W times a factor for each output, or for each input if the tensor `on_input` is not 0."""

    name: str
    on_input: str
    count: int

    needs_weight = True

    @property
    def weight_shape(self) -> Shape:
        return (self.count,)

    def fits(self, shape: Shape) -> bool:
        return self.count in shape[:2]

    def delta_weight(self, tensors: Any, weight: Array) -> Array:
        numbers = read_float32(tensors, self.name).reshape(-1)
        side = 1 if read_float32(tensors, self.on_input).reshape(-1)[0] else 0
        if weight.shape[side] != len(numbers):
            raise AdapterMismatchError(f"there are {len(numbers)} numbers for {weight.shape[side]} rows or columns")
        return weight * numbers.reshape([-1 if at == side else 1 for at in range(weight.ndim)])


@dataclass(frozen=True, slots=True)
class DoraDelta:
    """DoRA: the rows (if `by_row`) or columns of W + `delta` are scaled to the norms in the tensor `magnitude_name`."""

    delta: WeightDelta
    magnitude_name: str
    magnitude_shape: Shape
    by_row: bool

    needs_weight = True

    @property
    def weight_shape(self) -> Shape:
        return self.delta.weight_shape

    def fits(self, shape: Shape) -> bool:
        return self.delta.fits(shape) and math.prod(self.magnitude_shape) == shape[0 if self.by_row else 1]

    def delta_weight(self, tensors: Any, weight: Array) -> Array:
        changed = weight + self.delta.delta_weight(tensors, weight)
        side = 0 if self.by_row else 1
        others = tuple(at for at in range(changed.ndim) if at != side)
        lengths = np.sqrt(np.square(changed).sum(axis=others, keepdims=True)) + np.finfo(np.float32).eps
        wanted = read_float32(tensors, self.magnitude_name).reshape(lengths.shape)
        return np.asarray(changed * (wanted / lengths) - weight, np.float32)


def with_dora(delta: WeightDelta, names: Mapping[TensorRole, str], shapes: Mapping[TensorRole, Shape]) -> WeightDelta:
    """Return `delta`, wrapped in DoRA if it has magnitudes. PEFT's are per row; LyCORIS' [1, in(, 1, 1)] per column."""
    for role in (TensorRole.DORA_MAGNITUDE, TensorRole.DORA_SCALE):
        if role in names:
            shape = shapes[role]
            if math.prod(shape) < 1:
                raise AdapterMismatchError(f"{role} has the shape {list(shape)}")
            columns = role is TensorRole.DORA_SCALE and len(shape) > 1 and shape[0] == 1
            return DoraDelta(delta, names[role], shape, by_row=not columns)
    return delta
