"""CLIP's tokenizer of a checkpoint, without transformers: splits a text into the same tokens as the engine's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import BPE

from sdxl_desktop.core.clip_tokenizer_files import read_clip_tokenizer, tokenizer_error
from sdxl_desktop.core.untrusted_text import display_text

_PRE_TOKENIZER_PATTERN = (
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"  # of OpenAI's CLIP
)
_END_OF_WORD = "</w>"


@dataclass(frozen=True, slots=True)
class TextToken:
    """One token: the characters `start` to `end` (exclusive) of the text, and its id. `is_unknown`: the vocabulary
    lacks it, so that the encoder reads its mark for unknown text instead."""

    id: int
    start: int
    end: int
    ends_word: bool
    is_unknown: bool


class ClipTokenizer:
    """The tokenizer in one folder ("tokenizer" or "tokenizer_2" of a checkpoint), built as transformers builds it."""

    def __init__(self, folder: Path) -> None:
        """Load it; raises CheckpointError if it cannot be used. A folder that does not exist means CLIP's own."""
        files = read_clip_tokenizer(folder)
        special = {name: AddedToken(mark.content, **mark.flags) for name, mark in files.special_tokens.items()}
        try:
            self._tokenizer = Tokenizer(
                BPE(
                    vocab=dict(files.vocabulary),
                    merges=list(files.merges),
                    continuing_subword_prefix="",
                    end_of_word_suffix=_END_OF_WORD,
                    fuse_unk=False,
                    unk_token=files.special_tokens["unk_token"].content,
                )
            )
            self._tokenizer.normalizer = normalizers.Sequence(
                [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
            )
            self._tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
                [
                    pre_tokenizers.Split(Regex(_PRE_TOKENIZER_PATTERN), behavior="removed", invert=True),
                    pre_tokenizers.ByteLevel(add_prefix_space=False),
                ]
            )
            for _, mark in sorted(files.added_tokens.items()):
                self._add(AddedToken(mark.content, **mark.flags))
            for token in special.values():
                self._add(token)
        except Exception as problem:  # the tokenizers library raises bare Exception
            raise tokenizer_error(folder, display_text(str(problem))) from problem
        ids = {name: self._tokenizer.token_to_id(token.content) for name, token in special.items()}
        self.start_id, self.end_id, self.padding_id = (ids[name] for name in ("bos_token", "eos_token", "pad_token"))
        self._unknown_id: int = ids["unk_token"]
        self._unknown_text: str = special["unk_token"].content
        self.chunk_capacity = files.model_max_length - 2
        """Text tokens per chunk: without the start and end tokens."""

    def _add(self, token: AddedToken) -> None:
        (self._tokenizer.add_special_tokens if token.special else self._tokenizer.add_tokens)([token])

    def split(self, text: str) -> list[TextToken]:
        """Return the tokens of `text`, without start and end tokens."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return [
            TextToken(number, start, end, token.endswith(_END_OF_WORD), self._is_unknown(number, text[start:end]))
            for number, token, (start, end) in zip(encoding.ids, encoding.tokens, encoding.offsets, strict=True)
        ]

    def count(self, text: str) -> int:
        """Return the number of tokens of `text`."""
        return len(self._tokenizer.encode(text, add_special_tokens=False))

    def _is_unknown(self, number: int, written: str) -> bool:
        return number == self._unknown_id and written.strip().lower() != self._unknown_text.lower()
