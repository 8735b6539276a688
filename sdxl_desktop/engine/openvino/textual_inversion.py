"""Textual inversion: reads embedding files and adds their vectors to a text encoder as new tokens."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino import opset13 as ops

from sdxl_desktop.core.errors import AdditionError
from sdxl_desktop.engine.openvino.prompt_tokenizer import EmbeddingTokenIds
from sdxl_desktop.engine.openvino.textual_inversion_files import read_embedding_vectors

Floats = npt.NDArray[np.float32]

_ATTACHED_NODE_NAME = "textual_inversion"
_PASS_THROUGH_OPS = {"Convert": 0, "Reshape": 0, "Select": 2}  # node type, and the index of its ids input
_LONGEST_TOKEN = 100
_MARKUP = re.compile(r"[\s()\[\]\\]+")


@dataclass(frozen=True, slots=True, eq=False)
class TextualInversionEmbedding:
    """Vectors for the first text encoder, float32 [k, D1], and for the second, float32 [k, D2]; None if there are none.
    `unassigned` holds those of a file that does not name its encoder: their width decides (see `assigned_to_encoders`).

    `token` is the word in a prompt that stands for all k vectors.
    """

    token: str
    first: Floats | None = None
    second: Floats | None = None
    unassigned: Floats | None = None

    def with_token(self, token: str) -> TextualInversionEmbedding:
        """Return a copy with another token. Raises AdditionError if a prompt would parse it as markup."""
        if token == "BREAK" or not token or _MARKUP.search(token):
            raise AdditionError(
                f"{token!r} cannot stand for an embedding.",
                why="In a prompt it means something else.",
                next_step="Choose a word without brackets, backslashes and spaces, for instance <my-style>.",
            )
        return replace(self, token=token)

    def assigned_to_encoders(self, first_width: int | None, second_width: int) -> TextualInversionEmbedding:
        """Return a copy with its vectors assigned to text encoders of these widths (a refiner has no first one).

        Raises AdditionError, with the widths, if vectors do not fit their encoder.
        """
        if self.unassigned is not None:
            width = self.unassigned.shape[1]
            if width == first_width:
                return TextualInversionEmbedding(self.token, first=self.unassigned)
            if width == second_width:
                return TextualInversionEmbedding(self.token, second=self.unassigned)
            widths = [str(own) for own in (first_width, second_width) if own is not None]
            raise _dimension_error(f"the embedding {self.token}", width, " or ".join(widths))
        for vectors, own in ((self.first, first_width), (self.second, second_width)):
            if vectors is not None and own is not None and vectors.shape[1] != own:
                raise _dimension_error(f"the embedding {self.token}", vectors.shape[1], str(own))
        return self


def read_embedding(file: Path) -> TextualInversionEmbedding:
    """Read `.safetensors`, `.pt` or `.bin`; the token comes from the file, or else from its name.

    Nothing in the file is executed. Raises AdditionError if it is not an embedding or cannot be read safely.
    """
    read = read_embedding_vectors(file)
    token = _MARKUP.sub("-", read.token[:_LONGEST_TOKEN] or file.stem).strip("-")
    return TextualInversionEmbedding(
        token or "embedding", first=read.first, second=read.second, unassigned=read.unassigned
    )


def embeddings_digest(embeddings: Sequence[TextualInversionEmbedding]) -> str:
    """Return a hash of the vectors and their order, for compile keys; "" if there are none. Tokens are not included:
    they are not in the models."""
    if not embeddings:
        return ""
    made = hashlib.blake2b(digest_size=10)
    for embedding in embeddings:
        for vectors in (embedding.first, embedding.second, embedding.unassigned):
            if vectors is None:
                made.update(b"none;")
            else:
                made.update(f"{vectors.shape};".encode() + np.ascontiguousarray(vectors, dtype="<f4").tobytes())
    return made.hexdigest()


def attach_embeddings(
    embeddings: Sequence[TextualInversionEmbedding], first: ov.Model | None, second: ov.Model
) -> EmbeddingTokenIds:
    """Attach all embeddings to the text encoders' models, which it changes. Return the token ids for `PromptEncoder`.

    Raises AdditionError, before any change, if one does not fit.
    """
    first_table = None if first is None else find_token_embedding(first)
    second_table = find_token_embedding(second)
    first_width = None if first_table is None else first_table.width
    fitted = [embedding.assigned_to_encoders(first_width, second_table.width) for embedding in embeddings]
    for model, own in ((first, [e.first for e in fitted]), (second, [e.second for e in fitted])):
        vectors = [each for each in own if each is not None]
        if model is not None and vectors:
            attach_vectors(model, np.concatenate(vectors))
    return embedding_token_ids(fitted, 0 if first_table is None else first_table.rows, second_table.rows)


def embedding_token_ids(
    embeddings: Sequence[TextualInversionEmbedding], first_rows: int, second_rows: int
) -> EmbeddingTokenIds:
    """Return the ids of embeddings attached in this order to encoders with these vocabulary sizes."""
    vocabulary = {}
    for embedding in embeddings:
        first_count = 0 if embedding.first is None else len(embedding.first)
        second_count = 0 if embedding.second is None else len(embedding.second)
        vocabulary[embedding.token] = (
            tuple(range(first_rows, first_rows + first_count)),
            tuple(range(second_rows, second_rows + second_count)),
        )
        first_rows, second_rows = first_rows + first_count, second_rows + second_count
    return vocabulary


@dataclass(frozen=True, slots=True)
class TokenEmbeddingLookup:
    """A text encoder's token embedding: `gather` reads a table of `rows` vectors of `width` numbers."""

    gather: Any
    rows: int
    width: int


def find_token_embedding(model: ov.Model) -> TokenEmbeddingLookup:
    """Return the token embedding lookup. Raises AdditionError if the model has none."""
    waiting = [*model.input("input_ids").get_node().output(0).get_target_inputs()]
    while waiting:
        place = waiting.pop()
        node = place.get_node()
        if node.get_type_name() == "Gather" and place.get_index() == 1:
            shape = node.input(0).get_partial_shape()
            if len(shape) == 2:
                return TokenEmbeddingLookup(node, shape[0].get_length(), shape[1].get_length())
        elif _PASS_THROUGH_OPS.get(node.get_type_name()) == place.get_index():
            waiting += node.output(0).get_target_inputs()
    raise AdditionError(
        "This checkpoint's text encoder takes no embeddings.",
        why="The place where it looks up its tokens was not found.",
        next_step="Draw without embeddings, or export the checkpoint again.",
    )


def attach_vectors(model: ov.Model, vectors: Floats) -> None:
    """Make a text encoder map ids from its vocabulary size on to `vectors`, float32 [n, D]; changes `model`.

    The vectors get their own lookup. That of the vocabulary stays unchanged: in 32 or 16 bits or compressed to 8. All
    other consumers of the ids see 0 instead of the new ones: old exports (with the end token wrongly configured as 2)
    find the end of the text as the greatest id, which would be the embedding's.

    Raises AdditionError, with both widths, if the vectors do not have the encoder's width.
    """
    table = find_token_embedding(model)
    if vectors.ndim != 2 or vectors.shape[1] != table.width:
        raise _dimension_error("an embedding", vectors.shape[-1], str(table.width))
    if any(node.get_friendly_name() == _ATTACHED_NODE_NAME for node in model.get_ops()):
        raise ValueError("The model has embeddings already: attach all of them at once.")
    ids = model.input("input_ids").get_node()
    readers = ids.output(0).get_target_inputs()
    found = table.gather.output(0)
    users = found.get_target_inputs()

    kind = ids.get_element_type()
    rows, zero = ops.constant(table.rows, dtype=kind), ops.constant(0, dtype=kind)
    is_new = ops.greater_equal(ids, rows)
    known = ops.select(is_new, zero, ids)
    new = ops.gather(
        ops.constant(vectors, dtype=found.get_element_type()),
        ops.select(is_new, ops.subtract(ids, rows), zero),
        ops.constant(0, dtype=ov.Type.i64),
    )
    chosen = ops.select(ops.unsqueeze(is_new, ops.constant(-1, dtype=ov.Type.i64)), new, found)
    chosen.set_friendly_name(_ATTACHED_NODE_NAME)
    for reader in readers:
        reader.replace_source_output(known.output(0))
    for user in users:
        user.replace_source_output(chosen.output(0))
    model.validate_nodes_and_infer_types()


def _dimension_error(what: str, width: int, wanted: str) -> AdditionError:
    return AdditionError(
        f"{what[0].upper()}{what[1:]} does not fit this checkpoint.",
        why=f"Its vectors have {width} numbers, and the checkpoint's text encoder has {wanted}.",
        next_step="Use an embedding that was made for SDXL.",
    )
