"""Drafts are quick, are no results, and what is made of them can be repeated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdxl_desktop.core.additions import Additions, EmbeddingReference, LoraReference
from sdxl_desktop.core.checkpoint import Checkpoint, CheckpointKind, RecommendedSettings
from sdxl_desktop.core.edit import EditParameters
from sdxl_desktop.core.errors import EngineError, OutputError, RequestError
from sdxl_desktop.core.events import EngineEvent, Picture, PictureFinished, RunCancelled, RunFailed, RunFinished
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.raster import Raster
from sdxl_desktop.core.refine import RefinerParameters
from sdxl_desktop.core.request import GenerationRequest, Prompts, Sampling
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.history.folder_files import DRAFTS_FOLDER
from sdxl_desktop.metadata.picture_files import read_record
from sdxl_desktop.session.drafts import (
    MAX_DRAFTS,
    DraftingSession,
    draft_request,
    draft_size,
    find_draft_checkpoints,
)
from sdxl_desktop.session.result_files import PictureStore
from tests.unit.session.test_generation_session import Recorder


def checkpoint(name: str, side: int = 1024, *, few_step: bool = False, steps: int = 30, **more: object) -> Checkpoint:
    scheduler = SchedulerName.LCM if few_step else SchedulerName.EULER
    wanted = RecommendedSettings(size=Size(side, side), steps=steps, guidance_scale=1.5, scheduler=scheduler)
    return replace(
        Checkpoint(name=name, title=name.title(), folder=Path(name), is_few_step=few_step, recommended=wanted),
        **more,  # type: ignore[arg-type]
    )


BASE = checkpoint("sdxl")
LCM = checkpoint("sdxl-lcm", few_step=True, steps=4)
FULL = GenerationRequest(
    checkpoint=BASE.folder,
    prompts=Prompts(prompt="A red heart", negative_prompt="blue"),
    sampling=Sampling(size=Size(1152, 896), steps=30, guidance_scale=7, guidance_rescale=0.5, seed=17, count=2),
)


@dataclass
class DraftsSession:
    """A session over a fake runner, and ways to play the engine."""

    session: DraftingSession
    runner: Recorder
    pictures: Path

    def tell(self, *events: EngineEvent) -> None:
        for event in events:
            self.session.handle(event)

    def draw(self) -> None:
        """Play the run in progress to its end."""
        assert self.session.run is not None
        sampling = self.session.run.request.sampling
        for seed in sampling.seeds:
            pixels = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), np.uint8)
            self.tell(PictureFinished(Picture(pixels=pixels, seed=seed)))
        self.tell(RunFinished(pictures=()))

    def files(self) -> list[str]:
        return sorted(str(file.relative_to(self.pictures)) for file in self.pictures.rglob("*.*"))


@pytest.fixture
def drafts_session(tmp_path: Path) -> DraftsSession:
    runner, pictures = Recorder(), tmp_path / "pictures"
    return DraftsSession(DraftingSession(runner, PictureStore(pictures)), runner, pictures)


def drafted(drafts_session: DraftsSession, count: int = 4) -> DraftsSession:
    drafts_session.session.draw_drafts(draft_request(FULL, BASE, LCM, count), FULL)
    drafts_session.draw()
    return drafts_session


# who drafts


def test_few_step_relatives_of_the_same_size_draft_and_those_named_alike_first() -> None:
    tiny, other = checkpoint("starter-lcm", 64, few_step=True), checkpoint("vegart", few_step=True)
    refiner = checkpoint("sdxl-fast-refiner", few_step=True, kind=CheckpointKind.REFINER)
    known = (other, tiny, refiner, BASE, checkpoint("another"), LCM)
    assert [one.name for one in find_draft_checkpoints(BASE, known)] == ["sdxl-lcm", "vegart"]
    assert find_draft_checkpoints(checkpoint("starter", 64), known) == (tiny,)
    assert find_draft_checkpoints(LCM, (LCM,)) == (), "it is no draft of itself"


# what is asked of it


def test_a_few_step_checkpoint_drafts_with_its_own_settings_and_the_same_prompt() -> None:
    asked = draft_request(FULL, BASE, LCM, 4)
    assert asked.checkpoint == LCM.folder
    assert asked.prompts == FULL.prompts
    sampling = asked.sampling
    assert (sampling.steps, sampling.guidance_scale, sampling.scheduler) == (4, 1.5, SchedulerName.LCM)
    assert sampling.seeds == (17, 18, 19, 20)
    assert sampling.size == FULL.sampling.size
    assert sampling.guidance_rescale == 0


def test_without_one_the_checkpoint_drafts_itself_with_fewer_steps() -> None:
    sampling = draft_request(FULL, BASE, BASE, 4).sampling
    assert sampling.steps == 12
    assert sampling.speed is SpeedPreset.FAST
    assert (sampling.size, sampling.scheduler) == (FULL.sampling.size, FULL.sampling.scheduler)
    few = replace(FULL, sampling=replace(FULL.sampling, steps=4))
    assert draft_request(few, BASE, BASE, 4).sampling.steps == 4


@pytest.mark.parametrize("drafter", [BASE, LCM], ids=["itself", "a relative"])
def test_drafts_are_decoded_by_the_tiny_vae_that_their_checkpoint_brings(drafter: Checkpoint) -> None:
    assert draft_request(FULL, BASE, drafter, 4).additions.vae is None
    drafter = replace(drafter, tiny_vae=drafter.folder / "vae_tiny")
    assert draft_request(FULL, BASE, drafter, 4).additions.vae == drafter.tiny_vae
    assert FULL.additions.vae is None, "what they are finished with"


def test_a_vae_that_was_chosen_goes_before_a_tiny_one() -> None:
    chosen = replace(FULL, additions=Additions(vae=Path("chosen")))
    own = replace(BASE, tiny_vae=Path("tiny"))
    assert draft_request(chosen, own, own, 4).additions.vae == Path("chosen")


def test_drafts_have_the_shape_of_the_picture_and_the_size_of_their_checkpoint() -> None:
    small = checkpoint("small-lcm", 512, few_step=True, size_multiple=64)
    assert draft_size(Size(1024, 1024), BASE, small) == Size(512, 512)
    assert draft_size(Size(1536, 768), BASE, small) == Size(768, 384)
    assert draft_size(Size(1152, 896), BASE, LCM) == Size(1152, 896)


def test_what_belongs_to_the_full_checkpoint_stays_with_it() -> None:
    additions = Additions(
        loras=(LoraReference(Path("style.safetensors")),), embeddings=(EmbeddingReference(Path("e.pt"), "thing"),)
    )
    full = replace(FULL, additions=additions, refine=RefinerParameters(checkpoint=Path("refiner")))
    asked = draft_request(full, BASE, LCM, 4)
    assert asked.refine is None
    assert asked.additions == Additions(embeddings=additions.embeddings), "the prompt names them"
    assert draft_request(full, BASE, BASE, 4).additions == additions


def test_a_picture_on_the_canvas_is_no_draft() -> None:
    picture = Raster.from_pixels(np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(RequestError, match="words alone"):
        draft_request(replace(FULL, edit=EditParameters(picture=picture)), BASE, LCM, 4)


@pytest.mark.parametrize("lacking", [{"has_vae_encoder": False}, {"kind": CheckpointKind.INPAINT}])
def test_a_checkpoint_that_cannot_finish_is_reported_before_anything_is_drawn(lacking: dict[str, object]) -> None:
    with pytest.raises(RequestError, match="cannot finish"):
        draft_request(FULL, checkpoint("sdxl", **lacking), LCM, 4)  # type: ignore[arg-type]


# the session


def test_drafts_are_no_results_and_no_files(drafts_session: DraftsSession) -> None:
    drafted(drafts_session)
    assert [draft.picture.seed for draft in drafts_session.session.drafts] == [17, 18, 19, 20]
    assert drafts_session.session.results == []
    assert drafts_session.session.finished is None, "nothing learns the pace of pictures from them"
    assert drafts_session.files() == []
    assert drafts_session.session.run is None


def test_what_waits_beside_them_is_drawn_as_ever(drafts_session: DraftsSession) -> None:
    session = drafts_session.session
    session.generate(FULL)
    session.draw_drafts(draft_request(FULL, BASE, LCM, 4), FULL)
    assert (session.drafting, session.pending_drafts) == (False, 4)
    drafts_session.draw()
    assert (session.drafting, session.pending_drafts, len(session.results)) == (True, 4, 2)
    drafts_session.tell(PictureFinished(Picture(pixels=np.zeros((8, 8, 3), np.uint8), seed=17)))
    assert (session.pending_drafts, len(session.drafts)) == (3, 1)


def test_a_draft_is_repeated_by_its_own_request(drafts_session: DraftsSession) -> None:
    draft = drafted(drafts_session).session.drafts[2]
    assert draft.request.sampling.seeds == (draft.picture.seed,)


def test_drafts_that_are_cleared_from_the_queue_come_back_as_drafts(drafts_session: DraftsSession) -> None:
    session = drafts_session.session
    session.draw_drafts(draft_request(FULL, BASE, LCM, 4), FULL)
    session.draw_drafts(draft_request(FULL, BASE, LCM, 9), FULL)
    session.clear_queue()
    assert session.pending_drafts == 4
    session.restore_queue()
    assert session.pending_drafts == 13
    drafts_session.tell(RunCancelled())
    assert session.drafting


@pytest.mark.parametrize("end", [RunCancelled(), RunFailed(EngineError("No."))])
def test_nothing_waits_after_an_end(drafts_session: DraftsSession, end: EngineEvent) -> None:
    session = drafts_session.session
    session.draw_drafts(draft_request(FULL, BASE, LCM, 4), FULL)
    if isinstance(end, RunCancelled):
        session.draw_drafts(draft_request(FULL, BASE, LCM, 9), FULL)
        session.clear_queue()
        session.cancel()
    drafts_session.tell(end)
    assert session.pending_drafts == 0
    assert (session.error is None) == isinstance(end, RunCancelled)


def test_the_dialog_does_not_grow_for_ever(drafts_session: DraftsSession) -> None:
    for _ in range(MAX_DRAFTS // 9 + 1):
        drafted(drafts_session, 9)
    assert len(drafts_session.session.drafts) == MAX_DRAFTS


# finishing


def test_the_chosen_ones_become_results_of_the_full_checkpoint(drafts_session: DraftsSession) -> None:
    session = drafted(drafts_session).session
    chosen = [session.drafts[1], session.drafts[3]]
    session.finish_drafts(chosen, 0.45)
    first = drafts_session.runner.started[-1]
    assert first.checkpoint == BASE.folder
    assert first.edit is not None
    assert np.array_equal(first.edit.picture.array, chosen[0].picture.pixels)
    assert first.edit.strength == 0.45
    assert replace(first, edit=None) == replace(FULL, sampling=replace(FULL.sampling, seed=18, count=1))
    drafts_session.draw()
    drafts_session.draw()
    assert [result.picture.seed for result in session.results] == [18, 20]
    assert [draft.finished for draft in session.drafts] == [False, True, False, True]


def test_the_record_of_a_finished_picture_leads_to_its_draft(drafts_session: DraftsSession) -> None:
    session = drafted(drafts_session).session
    session.finish_drafts(session.drafts[:1])
    drafts_session.draw()
    path = session.results[0].saved_to
    assert path is not None
    record = read_record(path)
    assert record is not None
    assert record.request.edit is not None
    used = record.request.edit.picture
    file = drafts_session.pictures / DRAFTS_FOLDER / used.name
    with Image.open(file) as picture:
        again = Raster.from_pixels(np.asarray(picture), used.name)
    assert again == used
    asked = drafts_session.runner.started[-1]
    assert replace(record.request, edit=replace(record.request.edit, picture=again)) == asked
    of_draft = read_record(file)
    assert of_draft is not None
    assert of_draft.request == session.drafts[0].request.for_metadata()


def test_a_draft_that_is_finished_twice_is_kept_once(drafts_session: DraftsSession) -> None:
    session = drafted(drafts_session).session
    for _ in range(2):
        session.finish_drafts(session.drafts[:1])
        drafts_session.draw()
    assert sum(file.startswith(DRAFTS_FOLDER) for file in drafts_session.files()) == 1
    assert len(session.results) == 2


def test_where_pictures_are_not_kept_drafts_are_not_either(drafts_session: DraftsSession) -> None:
    session = drafted(drafts_session).session
    session.store = PictureStore(drafts_session.pictures, keep_every_picture=False)
    session.finish_drafts(session.drafts[:1])
    drafts_session.draw()
    assert drafts_session.files() == []
    assert len(session.results) == 1


def test_a_draft_that_cannot_be_kept_is_finished_all_the_same(drafts_session: DraftsSession) -> None:
    session = drafted(drafts_session).session
    drafts_session.pictures.write_text("not a folder")
    session.finish_drafts(session.drafts[:1])
    assert session.run is not None
    assert isinstance(session.error, OutputError), "and it is told"
