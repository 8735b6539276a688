"""The parts of the small SDXL: the same classes and architecture as the full one, with fewer channels."""

from typing import Any

from diffusers import AutoencoderKL, EulerDiscreteScheduler, LCMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from .config import Config


def make_vae(config: Config) -> AutoencoderKL:
    levels = len(config.vae_channels)
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        layers_per_block=1,
        sample_size=config.size,
        block_out_channels=config.vae_channels,
        norm_num_groups=config.vae_groups,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        force_upcast=False,
    )


def make_unet(config: Config, **changed: Any) -> UNet2DConditionModel:
    """Return the base's UNet, or a variant with the arguments `changed` of UNet2DConditionModel."""
    told: dict[str, Any] = dict(  # noqa: C408
        sample_size=config.latent,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=config.unet_channels,
        norm_num_groups=config.unet_groups,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=config.unet_heads,
        transformer_layers_per_block=1,
        use_linear_projection=True,
        cross_attention_dim=sum(config.text_hidden),
        addition_embed_type="text_time",
        addition_time_embed_dim=config.time_ids_dim,
        projection_class_embeddings_input_dim=config.text_hidden[1] + 6 * config.time_ids_dim,
    )
    return UNet2DConditionModel(**{**told, **changed})


def make_refiner_unet(config: Config) -> UNet2DConditionModel:
    """Like SDXL's refiner: uses the second encoder only, and five time ids, the last an aesthetic score."""
    return make_unet(
        config,
        cross_attention_dim=config.text_hidden[1],
        projection_class_embeddings_input_dim=config.text_hidden[1] + 5 * config.time_ids_dim,
    )


def make_few_step_unet(config: Config) -> UNet2DConditionModel:
    """Like LCM-SDXL: conditioned on the guidance in addition to the time."""
    return make_unet(config, time_cond_proj_dim=config.guidance_dim)


def text_config(config: Config, which: int, tokenizer: CLIPTokenizer) -> CLIPTextConfig:
    hidden = config.text_hidden[which]
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=config.text_wide * hidden,
        projection_dim=hidden,
        num_hidden_layers=config.text_layers[which],
        num_attention_heads=config.text_heads[which],
        max_position_embeddings=77,
        hidden_act=("quick_gelu", "gelu")[which],
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def make_text_encoders(
    config: Config, tokenizer: CLIPTokenizer, tokenizer_2: CLIPTokenizer
) -> tuple[CLIPTextModel, CLIPTextModelWithProjection]:
    return (
        CLIPTextModel(text_config(config, 0, tokenizer)),
        CLIPTextModelWithProjection(text_config(config, 1, tokenizer_2)),
    )


# SDXL's own noise schedule, with v-prediction in place of epsilon.
#
# At high noise the velocity is nearly the picture itself (Salimans and Ho, arXiv 2202.00512), so text conditioning is
# learnt early; with epsilon prediction it is a hundredth of the output, and takes hours to learn.
SCHEDULE: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "timestep_spacing": "leading",
    "steps_offset": 1,
    "prediction_type": "v_prediction",
}


def make_scheduler() -> EulerDiscreteScheduler:
    return EulerDiscreteScheduler(**SCHEDULE, interpolation_type="linear", use_karras_sigmas=False)


def make_few_step_scheduler(config: Config) -> LCMScheduler:
    return LCMScheduler(**SCHEDULE, original_inference_steps=config.distil_grid, clip_sample=False)
