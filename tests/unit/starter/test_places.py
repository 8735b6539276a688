"""The regions that cross-attention is trained on, and the cache of text embeddings."""

import warnings
from dataclasses import replace

import pytest
import torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from tools.starter.parts import make_unet
    from tools.starter.region_attention import NOWHERE, RegionAttention, region_tokens, without_words
    from tools.starter.text_encoding_cache import TextEncodingCache
    from tools.starter.train_text import FIRST, GRID

from .toy import TOY

SQUARE = [64.0, 64.0, 0.0, 0.0, 64.0, 64.0]
END = 7


def ids(*changed: list[float]) -> torch.Tensor:
    return torch.tensor(changed)


def test_an_uncropped_place_gets_the_token_of_its_own_region() -> None:
    wanted = region_tokens(GRID, ids(SQUARE))[0]
    assert wanted.tolist() == list(range(FIRST, FIRST + GRID * GRID))
    fine = region_tokens(2 * GRID, ids(SQUARE))[0].view(2 * GRID, 2 * GRID)
    assert set(fine[:2, :2].flatten().tolist()) == {FIRST}
    assert fine[-1, -1] == FIRST + GRID * GRID - 1


def test_an_enlarged_original_moves_nothing() -> None:
    small = [16.0, 16.0, 0.0, 0.0, 64.0, 64.0]
    assert torch.equal(region_tokens(GRID, ids(small)), region_tokens(GRID, ids(SQUARE)))


def test_a_crop_from_the_lower_end_looks_further_down() -> None:
    # A canvas half as tall again, of which the lower end is shown: a quarter of the picture further down.
    lower = [96.0, 64.0, 32.0, 0.0, 64.0, 64.0]
    wanted = region_tokens(GRID, ids(lower))[0].view(GRID, GRID)
    assert wanted[0, 0] == FIRST + 2 * GRID
    assert (wanted[-2:] == NOWHERE).all()
    assert (wanted[:-2] != NOWHERE).all()


def test_words_are_not_places() -> None:
    tokens = torch.full((2, 1, 77), END)
    tokens[0, 0, :20] = 1
    tokens[1, 0, :22] = 1
    free = without_words(tokens, END)[0]
    assert not free[:23].any()
    assert free[23:].all()


@pytest.mark.slow
def test_attention_heads_learn_their_region() -> None:
    torch.manual_seed(0)
    config = replace(TOY, size=64)
    unet = make_unet(config)
    places = RegionAttention(unet, None)
    context = torch.randn(1, 77, sum(config.text_hidden))
    tokens = torch.full((2, 4, 77), END)
    reported = {"text_embeds": torch.randn(4, config.text_hidden[1]), "time_ids": ids(SQUARE).expand(4, 6)}
    noisy = torch.randn(4, 4, config.latent, config.latent)
    optimiser = torch.optim.Adam(unet.parameters(), lr=3e-3)
    found = []
    for _ in range(30):
        unet(noisy, torch.full((4,), 500), context.expand(4, -1, -1), added_cond_kwargs=reported)
        astray = places.attention_loss(tokens, END, reported["time_ids"], torch.ones(4))
        optimiser.zero_grad()
        torch.autograd.backward(astray)
        optimiser.step()
        found.append(astray.item())
    assert found[-1] < 0.5 * found[0]


def test_only_new_captions_are_read() -> None:
    asked: list[int] = []

    def read(tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        asked.append(tokens.shape[1])
        value = tokens[0, :, 0].float()
        return value[:, None, None].expand(-1, 77, 2), value[:, None]

    memory = TextEncodingCache(read, most=2)
    first, second, third = (torch.full((2, 1, 77), number) for number in (1, 2, 3))
    context, pooled = memory(torch.cat([first, second, first], dim=1))
    assert pooled.flatten().tolist() == [1, 2, 1]
    assert context[:, 0, 0].tolist() == [1, 2, 1]
    assert asked == [2]
    memory(second)
    assert asked == [2]
    memory(third)
    assert asked == [2, 1]
    assert memory(second)[1].item() == 2
    assert asked == [2, 1], "the oldest went, the second was kept"
    memory(first)
    assert asked == [2, 1, 1]


def test_nothing_is_trained_where_the_caption_was_dropped() -> None:
    attention = torch.nn.Module()
    attention.heads = 2  # type: ignore[assignment]
    attention.to_q, attention.to_k = torch.nn.Linear(8, 8, bias=False), torch.nn.Linear(8, 8, bias=False)
    hidden, context = torch.randn(2, 16, 8), torch.randn(2, 77, 8)
    both = torch.ones(2, 77, dtype=torch.bool)
    kept = both & torch.tensor([[True], [False]])
    alone = RegionAttention.loss_of(attention, hidden[:1], context[:1], both[:1], ids(SQUARE))
    assert torch.equal(RegionAttention.loss_of(attention, hidden, context, kept, ids(SQUARE, SQUARE)), alone)
    assert not torch.equal(RegionAttention.loss_of(attention, hidden, context, both, ids(SQUARE, SQUARE)), alone)
