"""The options that the bundled engine supports, one frozen dataclass a group, with kohya's names and
defaults.

A field's metadata holds what the annotation can't say: kind, choices, smallest value, help."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from sd_contract.errors import OptionError
from sd_contract.options.known_optimizers import ALIASES, KNOWN

TIMESTEPS = 1000
LORA, LYCORIS, DYLORA = NETWORKS = ("networks.lora", "lycoris.kohya", "networks.dylora")

NETWORK_TYPES = LIERLA, C3LIER, LOHA = ("lierla", "c3lier", "loha")
BASE = "BASE"
BLOCKS = (BASE, *(f"IN{n:02}" for n in range(12)), "M00", *(f"OUT{n:02}" for n in range(12)))
"""Of the U-Net, as those who merge models count them; BASE is the text encoder."""
ELEMENTS = ("Full", "CrossAttention", "SelfAttention")


def option(
    kind: str,
    default: Any,
    help: str,
    *,
    choices: tuple[str | int, ...] = (),
    minimum: float | None = None,
    aliases: Mapping[str, str] = MappingProxyType({}),
    classes: bool = False,
    prose: bool = False,
) -> Any:
    """A dataclass field that is an option. `minimum` is the smallest number allowed, `aliases` are other spellings
    of choices. With `classes` it may name a class too, as some.package.Class, which is code; with `prose` its
    texts are sentences, between which a user types |."""
    facts = {"kind": kind, "help": help, "choices": choices, "minimum": minimum}
    return field(default=default, metadata={**facts, "aliases": aliases, "classes": classes, "prose": prose})


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The base model that is trained on."""

    pretrained_model_name_or_path: str | None = option(
        "str", None, "base model (SD1, SD2, SDXL): a .safetensors or .ckpt file, or a diffusers folder"
    )
    v2: bool = option("bool", False, "accepted; the file tells the family, and a contradiction is an error")
    v_parameterization: bool = option("bool", False, "the base model predicts velocity, not noise")
    vae: str | None = option("str", None, "another VAE: a file or a diffusers folder; unset is the model's own")
    no_half_vae: bool = option("bool", False, "accepted; the VAE always works in float32")
    tokenizer_cache_dir: str | None = option(
        "str",
        None,
        "folder that holds the CLIP vocabulary (vocab.json and merges.txt), or kohya's cache of it",
    )
    clip_skip: int | None = option(
        "int",
        None,
        "which text-encoder layer is used, counted from the end; 1 or unset is the last",
        minimum=1,
    )
    max_token_length: int | None = option(
        "int", None, "tokens of a caption that are used; unset is 75", choices=(150, 225)
    )
    weighted_captions: bool = option("bool", False, "captions stress words: (word), [word], (word:1.3)")
    cache_text_encoder_outputs: bool = option(
        "bool", False, "accepted for SDXL; captions are encoded once whenever the text encoders are not trained"
    )
    cache_text_encoder_outputs_to_disk: bool = option("bool", False, "accepted as the former; kept in memory")
    disable_mmap_load_safetensors: bool = option("bool", False, "accepted; files are never mapped into memory")


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """The LoRA that is trained."""

    network_module: str = option("str", LORA, "kind of network", choices=NETWORKS)
    network_dim: int | None = option("int", None, "rank of the LoRA; unset is 4", minimum=1)
    network_alpha: float = option("float", 1.0, "the LoRA is scaled by alpha / rank; 0 is the rank", minimum=0)
    network_args: tuple[str, ...] = option(
        "strings", (), 'more settings of the LoRA, as "conv_dim=8"; doc/engine.md lists them'
    )
    network_dropout: float | None = option(
        "float", None, "silence this share of the LoRA's inner values while training", minimum=0
    )
    scale_weight_norms: float | None = option(
        "float", None, "shrink a layer's change to this length after each step", minimum=0
    )
    network_weights: str | None = option("str", None, "LoRA file to go on from")
    dim_from_weights: bool = option("bool", False, "take ranks and alphas from network_weights")
    base_weights: tuple[str, ...] = option("strings", (), "LoRA files that are merged into the base model first")
    base_weights_multiplier: tuple[float, ...] | None = option(
        "floats", None, "how strongly each of base_weights is merged; 1 where none is given"
    )
    network_type: str = option(
        "str",
        LIERLA,
        "lierla: attention layers; c3lier: convolutions too, with the same rank; loha: as c3lier, by LyCORIS",
        choices=NETWORK_TYPES,
    )
    network_element: str = option(
        "str", "Full", "which attention layers of the U-Net alone get a LoRA; Full is all layers", choices=ELEMENTS
    )
    network_blocks: tuple[str, ...] = option(
        "strings", (), "blocks that get a LoRA: BASE, IN00 to IN11, M00, OUT00 to OUT11; unset is all"
    )
    network_strength: float = option(
        "float", 1.0, "write files that act so strongly at weight 1; the training stays the same", minimum=0
    )
    network_train_unet_only: bool = option("bool", False, "leave the text encoder as it is")
    network_train_text_encoder_only: bool = option("bool", False, "leave the U-Net as it is")

    def __post_init__(self) -> None:
        if self.network_dropout is not None and self.network_dropout >= 1:
            raise OptionError(
                f"network_dropout = {self.network_dropout:g} is a share of the values. Less than 1 is allowed."
            )
        unknown = [block for block in self.network_blocks if block not in BLOCKS]
        if unknown:
            raise OptionError(
                f"network_blocks: there is no {unknown[0]!r}. Allowed: BASE, IN00 to IN11, M00, OUT00 to OUT11."
            )
        if not self.network_strength:
            raise OptionError("network_strength = 0 writes files that do nothing. Set it above 0.")
        if len(self.base_weights_multiplier or ()) > len(self.base_weights):
            raise OptionError(
                f"base_weights_multiplier has {len(self.base_weights_multiplier or ())} values for "
                f"{len(self.base_weights)} base_weights. Give one value a file."
            )


@dataclass(frozen=True, kw_only=True)
class DatasetOptions:
    """Images: where they are, how they are gathered into batches, what is kept of them."""

    dataset_config: str | None = option("str", None, "TOML or JSON file that describes the datasets")
    train_data_dir: str | None = option(
        "str", None, "folder of <repeats>_<class> folders; used without dataset_config"
    )
    reg_data_dir: str | None = option("str", None, "the same for regularisation images")
    in_json: str | None = option("str", None, "JSON list of images and captions; the images lie in train_data_dir")
    dataset_repeats: int = option("int", 1, "how often an epoch draws each image", minimum=1)
    resolution: str | None = option("str", None, 'size of the training images in pixels: "512" or "768,512"')
    train_batch_size: int = option("int", 1, "images a batch", minimum=1)
    cache_latents: bool = option("bool", False, "draw each image's latent once instead of at each step")
    cache_latents_to_disk: bool = option("bool", False, "the same; latents are kept in TRAIN_TOOLS_CACHE anyway")
    skip_cache_check: bool = option("bool", False, "accepted; what is kept is always checked")
    cache_info: bool = option("bool", False, "accepted; folders are read at every start")
    vae_batch_size: int = option("int", 1, "accepted; images are always encoded one at a time", minimum=1)
    max_data_loader_n_workers: int = option("int", 8, "accepted; no loader processes are needed", minimum=0)
    persistent_data_loader_workers: bool = option("bool", False, "accepted; no loader processes are needed")


@dataclass(frozen=True, kw_only=True)
class BucketOptions:
    """Images of several shapes: each is trained at the size that is nearest to its own."""

    enable_bucket: bool = option("bool", False, "train each image at a size of about its shape")
    min_bucket_reso: int = option("int", 256, "shortest side of a size, in pixels", minimum=8)
    max_bucket_reso: int = option("int", 1024, "longest side of a size, in pixels", minimum=8)
    bucket_reso_steps: int = option("int", 64, "sides are multiples of it; at least 64, with SDXL 32", minimum=8)
    bucket_no_upscale: bool = option("bool", False, "never enlarge an image; the two limits don't count then")


@dataclass(frozen=True, kw_only=True)
class CaptionOptions:
    """How a caption is read, and what becomes of it at each draw."""

    caption_extension: str = option("str", ".caption", "suffix of the caption files")
    caption_extention: str | None = option("str", None, "old spelling of caption_extension; goes before it")
    caption_separator: str = option("str", ",", "what stands between tags")
    caption_prefix: str | None = option("str", None, "text before each caption")
    caption_suffix: str | None = option("str", None, "text after each caption")
    enable_wildcard: bool = option("bool", False, "draw one of {a|b}, and one line of a caption file")
    shuffle_caption: bool = option("bool", False, "shuffle the tags of each caption")
    keep_tokens: int = option("int", 0, "leave the first tags in place when shuffling", minimum=0)
    keep_tokens_separator: str = option("str", "", "leave the tags before it in place instead, as |||")
    secondary_separator: str | None = option("str", None, "stands for a separator inside one tag, as ;;;")
    caption_dropout_rate: float = option("float", 0.0, "share of draws without a caption", minimum=0)
    caption_dropout_every_n_epochs: int = option("int", 0, "no captions in each n-th epoch; 0 is never", minimum=0)
    caption_tag_dropout_rate: float = option(
        "float", 0.0, "share of tags left out, never the kept ones", minimum=0
    )
    token_warmup_min: int = option("int", 1, "tags at the first step of the tag warm-up", minimum=0)
    token_warmup_step: float = option(
        "float", 0, "step from which all tags are used; below 1 a share of all steps", minimum=0
    )


@dataclass(frozen=True, kw_only=True)
class AugmentationOptions:
    """What becomes of an image's pixels, and which of them count."""

    flip_aug: bool = option("bool", False, "mirror half of the images that are drawn")
    color_aug: bool = option("bool", False, "change hue or brightness a little in a third of the draws")
    random_crop: bool = option("bool", False, "crop anywhere instead of around the middle")
    dynamic_crop: bool = option("bool", False, "see another part of each image, and of another size, at each draw")
    dynamic_crop_resolution: str | None = option(
        "str", None, 'size of these parts in pixels: "512" or "768,512"; unset is resolution'
    )
    dynamic_crop_zoom: float = option(
        "float", 1.25, "how many times smaller than the largest such part it may be; 1 only shifts it", minimum=1
    )
    face_crop_aug_range: str | None = option(
        "str", None, 'crop around the face of images named _x_y_width_height, so much larger than it: "2.0,4.0"'
    )
    resize_interpolation: str | None = option(
        "str",
        None,
        "how images are scaled; unset is area for smaller and lanczos for larger",
        choices=("lanczos", "nearest", "bilinear", "linear", "bicubic", "cubic", "area"),
    )
    alpha_mask: bool = option("bool", False, "weigh the loss by the images' opacity")
    masked_loss: bool = option("bool", False, "weigh the loss by masks: conditioning_data_dir or alpha_mask")
    conditioning_data_dir: str | None = option(
        "str", None, "folder of masks named like the images; bright parts count"
    )


BACKENDS = ("inductor", "eager", "aot_eager", "cudagraphs")


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How long and how precisely to train."""

    max_train_steps: int = option("int", 1600, "optimizer steps", minimum=1)
    max_train_epochs: int | None = option("int", None, "passes over the dataset; overrides the steps", minimum=1)
    seed: int | None = option("int", None, "start of all random numbers; unset draws one", minimum=0)
    mixed_precision: str = option("str", "no", "number format of the base model", choices=("no", "fp16", "bf16"))
    gradient_accumulation_steps: int = option("int", 1, "batches that share one optimizer step", minimum=1)
    gradient_checkpointing: bool = option("bool", False, "save memory by computing activations twice")
    ema_decay: float | None = option(
        "float",
        None,
        "save and paint with a running average of the LoRA that forgets so slowly; usual is 0.99",
        minimum=0,
    )
    full_bf16: bool = option("bool", False, "keep the LoRA itself in bf16 too; needs mixed_precision bf16")
    sdpa: bool = option("bool", False, "accepted; PyTorch's fast attention is always used")
    mem_eff_attn: bool = option("bool", False, "accepted; PyTorch's fast attention is always used")
    xformers: bool = option("bool", False, "attention of the package xformers; needs a GPU")
    torch_compile: bool = option("bool", False, "compile the U-Net; the first steps then take minutes")
    dynamo_backend: str = option("str", "inductor", "what compiles it", choices=BACKENDS)

    def __post_init__(self) -> None:
        if self.ema_decay is not None and self.ema_decay >= 1:
            raise OptionError(
                f"ema_decay = {self.ema_decay:g} would never learn. Less than 1 is allowed, as 0.99."
            )


@dataclass(frozen=True, kw_only=True)
class MemoryOptions:
    """How the base model is kept."""

    fp8_base: bool = option(
        "bool", False, "keep the base model's layers in 8 bits; needs mixed_precision and networks.lora"
    )
    fp8_base_unet: bool = option("bool", False, "the same for the U-Net alone")
    lowram: bool = option("bool", False, "accepted; weights always go straight to the device, one at a time")
    highvram: bool = option("bool", False, "accepted; nothing is tidied away that is still needed")


OPTIMIZERS = tuple(KNOWN)
SCHEDULERS = (
    *("constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "cosine_with_min_lr"),
    *("polynomial", "inverse_sqrt", "warmup_stable_decay", "piecewise_constant", "rex", "adafactor"),
)
SCHEDULER_CLASSES = (
    *("StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR", "PolynomialLR", "CosineAnnealingLR"),
    *("CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR"),
)


@dataclass(frozen=True, kw_only=True)
class OptimizerOptions:
    """How the weights follow the gradient."""

    optimizer_type: str = option("str", "AdamW", "optimizer", choices=OPTIMIZERS, aliases=ALIASES, classes=True)
    use_8bit_adam: bool = option("bool", False, "older spelling of optimizer_type AdamW8bit")
    use_lion_optimizer: bool = option("bool", False, "older spelling of optimizer_type Lion")
    optimizer_args: tuple[str, ...] = option(
        "strings", (), 'more settings of the optimizer, as "weight_decay=0.1" or "betas=0.9,0.99"'
    )
    learning_rate: float = option("float", 2e-6, "learning rate", minimum=0)
    unet_lr: float | None = option("float", None, "learning rate of the U-Net part; 0 leaves it out", minimum=0)
    text_encoder_lr: tuple[float, ...] | None = option(
        "floats", None, "learning rate of the text-encoder part; 0 leaves it out", minimum=0
    )
    lr_scheduler: str = option("str", "constant", "course of the learning rate", choices=SCHEDULERS)
    lr_scheduler_type: str = option(
        "str",
        "",
        "a course by its class in torch.optim.lr_scheduler, instead of lr_scheduler",
        choices=SCHEDULER_CLASSES,
        aliases={f"torch.optim.lr_scheduler.{name}": name for name in SCHEDULER_CLASSES},
        classes=True,
    )
    lr_scheduler_args: tuple[str, ...] = option(
        "strings", (), 'more settings of the course, as "step_rules=1:100,0.1:200,0.01" or "T_max=500"'
    )
    lr_warmup_steps: int | float = option(
        "int_or_float", 0, "steps of rising learning rate; below 1 a share of all steps", minimum=0
    )
    lr_decay_steps: int | float = option(
        "int_or_float", 0, "steps of falling learning rate in warmup_stable_decay; below 1 a share", minimum=0
    )
    lr_scheduler_num_cycles: int = option(
        "int", 1, "waves of cosine_with_restarts, cosine_with_min_lr and warmup_stable_decay", minimum=1
    )
    lr_scheduler_power: float = option("float", 1.0, "exponent of polynomial", minimum=0)
    lr_scheduler_timescale: int | None = option(
        "int", None, "steps in which inverse_sqrt falls to 0.7; unset is the warm-up's", minimum=1
    )
    lr_scheduler_min_lr_ratio: float | None = option(
        "float", None, "share of the rate that cosine_with_min_lr, warmup_stable_decay and rex end with", minimum=0
    )
    max_grad_norm: float = option("float", 1.0, "longest gradient; 0 is no limit", minimum=0)

    def __post_init__(self) -> None:
        if self.use_8bit_adam and self.use_lion_optimizer:
            raise OptionError("use_8bit_adam and use_lion_optimizer are both set. Set at most one.")
        if (self.use_8bit_adam or self.use_lion_optimizer) and self.optimizer_type != "AdamW":
            older = "use_8bit_adam" if self.use_8bit_adam else "use_lion_optimizer"
            raise OptionError(f"{older} contradicts optimizer_type = {self.optimizer_type}. Remove one of them.")
        for name, steps in (("lr_warmup_steps", self.lr_warmup_steps), ("lr_decay_steps", self.lr_decay_steps)):
            if isinstance(steps, float) and steps > 1:
                raise OptionError(
                    f"{name} = {steps}: a number with a point is a share of all steps, 1.0 at most. "
                    f"Write {steps:.0f} for steps."
                )
        if self.lr_scheduler == "adafactor" and self.optimizer != "AdaFactor":
            raise OptionError(
                f'lr_scheduler = "adafactor" is the course that AdaFactor takes by itself, and {self.optimizer} '
                'has none. Use another, as "cosine".'
            )
        if self.lr_scheduler_min_lr_ratio is not None and self.lr_scheduler_min_lr_ratio > 1:
            raise OptionError(
                f"lr_scheduler_min_lr_ratio = {self.lr_scheduler_min_lr_ratio:g} is a share of the learning rate. "
                "1 is the most allowed."
            )

    @property
    def optimizer(self) -> str:
        """The optimizer's name, whichever option gives it."""
        if self.use_8bit_adam:
            return "AdamW8bit"
        return "Lion" if self.use_lion_optimizer else self.optimizer_type


SHAPES = ("uniform", "sigmoid")


@dataclass(frozen=True, kw_only=True)
class NoiseOptions:
    """What the noise looks like that is added to the images, and how much of it."""

    noise_offset: float | None = option("float", None, "shift the noise's brightness; usual is 0.05", minimum=0)
    noise_offset_random_strength: bool = option("bool", False, "draw each shift's strength, up to noise_offset")
    adaptive_noise_scale: float | None = option(
        "float", None, "add this times the image's own brightness to noise_offset; may be negative"
    )
    multires_noise_iterations: int | None = option(
        "int", None, "add this many layers of coarser noise; usual is 6 to 10", minimum=0
    )
    multires_noise_discount: float = option(
        "float", 0.3, "strength of each coarser layer relative to the one before", minimum=0
    )
    ip_noise_gamma: float | None = option(
        "float", None, "add noise that need not be predicted; usual is 0.1", minimum=0
    )
    ip_noise_gamma_random_strength: bool = option(
        "bool", False, "draw the strength of that noise, up to ip_noise_gamma"
    )
    zero_terminal_snr: bool = option("bool", False, "let the last timestep be pure noise; for v-prediction models")
    min_timestep: int | None = option("int", None, "smallest timestep drawn; unset is 0", minimum=0)
    max_timestep: int | None = option("int", None, "timesteps drawn are below this; unset is 1000", minimum=1)
    fixed_timesteps_in_batch: bool = option("bool", False, "all images of a batch have one timestep")
    timestep_sampling: str = option(
        "str", "uniform", "how timesteps are drawn: all alike, or those in the middle more often", choices=SHAPES
    )
    sigmoid_scale: float = option("float", 1.0, "how far sigmoid sampling spreads; below 1 less", minimum=0)

    def __post_init__(self) -> None:
        if self.adaptive_noise_scale and not self.noise_offset:
            raise OptionError(
                f"adaptive_noise_scale = {self.adaptive_noise_scale:g} has no effect without noise_offset. "
                "Set noise_offset too."
            )
        low, high = self.timesteps
        if high > TIMESTEPS or low >= TIMESTEPS:
            raise OptionError(f"min_timestep = {low}, max_timestep = {high}: {TIMESTEPS} is the most allowed.")
        if low > high:
            raise OptionError(f"min_timestep = {low} is above max_timestep = {high}. Swap them.")

    @property
    def timesteps(self) -> tuple[int, int]:
        """The first timestep drawn and the first not drawn any more; when equal, only that one is drawn."""
        return self.min_timestep or 0, TIMESTEPS if self.max_timestep is None else self.max_timestep


@dataclass(frozen=True, kw_only=True)
class LossOptions:
    """How far off a prediction is, and what that counts."""

    loss_type: str = option("str", "l2", "measure of the difference", choices=("l2", "l1", "huber", "smooth_l1"))
    huber_schedule: str = option(
        "str", "snr", "how huber_c depends on the timestep", choices=("snr", "exponential", "constant")
    )
    huber_c: float = option("float", 0.1, "where huber and smooth_l1 turn from square to straight", minimum=0)
    huber_scale: float = option("float", 1.0, "factor of huber_c; not used by the snr schedule", minimum=0)
    min_snr_gamma: float | None = option(
        "float", None, "limit the weight of easy timesteps; usual is 5", minimum=0
    )
    scale_v_pred_loss_like_noise_pred: bool = option(
        "bool", False, "weigh the timesteps of a v-prediction model as noise prediction does"
    )
    v_pred_like_loss: float | None = option(
        "float", None, "add this share of the loss that v-prediction would have", minimum=0
    )
    debiased_estimation_loss: bool = option("bool", False, "weigh the timesteps by the debiased estimation rule")
    prior_loss_weight: float = option("float", 1.0, "weight of regularisation images", minimum=0)
    prior_preservation_weight: float | None = option(
        "float",
        None,
        "keep what the base model makes of the class, without regularisation images: weight of it; usual is 1",
        minimum=0,
    )
    masked_prior_weight: float | None = option(
        "float",
        None,
        "with masks, keep what the base model makes of what they leave out: weight of that; usual is 1",
        minimum=0,
    )

    def __post_init__(self) -> None:
        if self.loss_type in ("huber", "smooth_l1") and not self.huber_c * self.huber_scale:
            raise OptionError(
                f"huber_c = {self.huber_c:g}, huber_scale = {self.huber_scale:g}: "
                f"with {self.loss_type} both must be above 0."
            )


@dataclass(frozen=True, kw_only=True)
class ValidationOptions:
    """Images that are not trained on: how the loss goes there."""

    validation_split: float = option(
        "float", 0.0, "share of each folder's images that is not trained on; the loss is measured there", minimum=0
    )
    validation_seed: int | None = option(
        "int", None, "which images these are, and the noise they are measured with; unset is 0", minimum=0
    )
    validate_every_n_steps: int | None = option("int", None, "also measure after each n-th step", minimum=1)
    validate_every_n_epochs: int | None = option(
        "int", None, "measure after each n-th epoch; unset is each", minimum=1
    )
    max_validation_steps: int | None = option("int", None, "batches that are measured; unset is all", minimum=1)


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """What is written, where and when."""

    output_dir: str | None = option("str", None, "folder of the trained files; made if missing")
    output_name: str | None = option("str", None, "file name of the trained LoRA, without suffix")
    save_model_as: str = option("str", "safetensors", "file format", choices=("safetensors",))
    save_overwrite: bool = option("bool", False, "modes without epochs: replace files of the same name")
    save_precision: str | None = option(
        "str", None, "number format of the files; unset is float", choices=("float", "fp16", "bf16")
    )
    save_every_n_epochs: int | None = option("int", None, "also save after each n-th epoch", minimum=1)
    save_every_n_steps: int | None = option("int", None, "also save after each n-th step", minimum=1)
    save_n_epoch_ratio: int | None = option("int", None, "also save about n times, after whole epochs", minimum=1)
    save_last_n_epochs: int | None = option("int", None, "keep only the last n epoch files", minimum=1)
    save_last_n_steps: int | None = option(
        "int", None, "keep only step files of the last n steps before each save", minimum=1
    )


@dataclass(frozen=True, kw_only=True)
class MetadataOptions:
    """What the files say about themselves, besides how they were trained."""

    no_metadata: bool = option("bool", False, "leave out how the file was trained, except what loaders need")
    training_comment: str | None = option("str", None, "text kept in the file's metadata")
    metadata_title: str | None = option("str", None, "modelspec.title; unset is output_name")
    metadata_author: str | None = option("str", None, "modelspec.author")
    metadata_description: str | None = option("str", None, "modelspec.description")
    metadata_license: str | None = option("str", None, "modelspec.license")
    metadata_tags: str | None = option("str", None, "modelspec.tags, with commas between them")
    metadata_usage_hint: str | None = option("str", None, "modelspec.usage_hint")
    metadata_thumbnail: str | None = option("str", None, "modelspec.thumbnail, a data URL")
    metadata_merged_from: str | None = option("str", None, "modelspec.merged_from")
    metadata_trigger_phrase: str | None = option("str", None, "modelspec.trigger_phrase")
    metadata_preprocessor: str | None = option("str", None, "modelspec.preprocessor")
    metadata_is_negative_embedding: str | None = option("str", None, "modelspec.is_negative_embedding")


SAMPLERS = (
    *("ddim", "pndm", "lms", "euler", "euler_a", "heun", "dpm_2", "dpm_2_a"),
    *("dpmsolver", "dpmsolver++", "dpmsingle"),
    *("k_lms", "k_euler", "k_euler_a", "k_dpm_2", "k_dpm_2_a"),
)


@dataclass(frozen=True, kw_only=True)
class SampleOptions:
    """Pictures painted while the training runs."""

    sample_prompts: str | None = option("str", None, "file of the prompts: .txt, .toml or .json")
    sample_every_n_steps: int | None = option("int", None, "paint after each n-th step", minimum=1)
    sample_every_n_epochs: int | None = option(
        "int", None, "paint after each n-th epoch; overrides sample_every_n_steps", minimum=1
    )
    sample_at_first: bool = option("bool", False, "also paint before the first step")
    sample_sampler: str = option("str", "ddim", "sampler where the prompt names none", choices=SAMPLERS)


LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@dataclass(frozen=True, kw_only=True)
class LoggingOptions:
    """What a run tells besides its files: curves for TensorBoard, messages for people."""

    logging_dir: str | None = option(
        "str", None, "folder of the curves that TensorBoard shows; each start makes a folder of its own in it"
    )
    log_with: str | None = option(
        "str", None, "only tensorboard: wandb would send the curves away", choices=("tensorboard",)
    )
    log_prefix: str | None = option(
        "str", None, "what that folder's name begins with, before the time of the start"
    )
    log_tracker_name: str | None = option("str", None, "folder inside that one; unset is network_train")
    log_tracker_config: str | None = option(
        "str", None, "TOML file; flush_secs and filename_suffix of its table [tensorboard] are used"
    )
    log_config: bool = option("bool", False, "keep the options beside the curves, except those that name folders")
    logging_save_csv: bool = option(
        "bool", False, "keep losses and learning rates beside the files, as a CSV table"
    )
    console_log_level: str | None = option(
        "str",
        None,
        "messages that matter less are left out: phases and states are INFO; unset is INFO",
        choices=LEVELS,
    )
    console_log_file: str | None = option(
        "str", None, "messages go into this file, which is begun anew, instead of to the console"
    )
    console_log_simple: bool = option("bool", False, "messages go to stdout, warnings too")

    def __post_init__(self) -> None:
        if self.log_with and not self.logging_dir:
            raise OptionError(f'log_with = "{self.log_with}" needs a folder to write to. Set logging_dir too.')


@dataclass(frozen=True, kw_only=True)
class StateOptions:
    """What is kept so that a training can go on later. `state_...` are options of ours alone."""

    save_state: bool = option("bool", False, "also save the state wherever a file of the LoRA is saved")
    save_state_on_train_end: bool = option("bool", False, "also save the state at the end")
    save_last_n_epochs_state: int | None = option(
        "int", None, "keep only the last n epoch states; unset is save_last_n_epochs", minimum=1
    )
    save_last_n_steps_state: int | None = option(
        "int", None, "keep only the states of the last n steps; unset is save_last_n_steps", minimum=1
    )
    resume: str | None = option("str", None, "folder of a saved state; training goes on at its exact step")
    skip_until_initial_step: bool = option("bool", False, "accepted; resuming always goes on at the exact step")
    state_dir: str | None = option(
        "str", None, "folder in which the two newest states are kept, and the one of a stop"
    )
    state_every_n_steps: int | None = option("int", None, "save a state there after each n-th step", minimum=1)
    state_every_n_minutes: float = option(
        "float", 5.0, "save a state there when the last one is that old; 0 never does", minimum=0
    )


ON_IMAGES = IMAGES, MULTI_STAGE = ("lora", "multi_stage")
ON_PROMPTS = ILECO, LECO, SLIDER = ("ileco", "leco", "slider")
ON_PAIRS = DIFFERENCE, ADDIFT, MULTI_ADDIFT = ("difference", "addift", "multi_addift")
MODES = (*ON_IMAGES, *ON_PROMPTS, *ON_PAIRS)


@dataclass(frozen=True, kw_only=True)
class ConceptOptions:
    """How a LoRA is trained, and what train_leco.py changes without any image: what the model makes of words."""

    mode: str | None = option(
        "str", None, "how the LoRA is trained; unset is lora, or what the script does", choices=MODES
    )
    original_prompt: tuple[str, ...] = option(
        "strings",
        (),
        "words of the concept that is changed, in turn; in modes of pairs what the images show",
        prose=True,
    )
    target_prompt: tuple[str, ...] = option(
        "strings",
        (),
        "what they are to mean instead: one for each or one for all; unset erases the concept",
        prose=True,
    )
    neutral_prompt: str | None = option(
        "str", None, "leco: what is left in the concept's place; unset is target_prompt"
    )
    positive_prompt: tuple[str, ...] = option(
        "strings",
        (),
        "slider: what weight 1 gives more of; one for each original_prompt or one for all",
        prose=True,
    )
    negative_prompt: tuple[str, ...] = option(
        "strings",
        (),
        "slider: what weight -1 gives more of; as many as positive_prompt",
        prose=True,
    )
    prompt_guidance: float | None = option(
        "float",
        None,
        "how far the target is exaggerated; unset is 0 for ileco, 1 for leco and slider",
        minimum=0,
    )
    fixed_noise: bool = option("bool", False, "ileco and modes of pairs: the same noise at every step")
    denoise_steps: int = option(
        "int", 20, "leco and slider: steps of the sampling that pictures to learn from are taken out of", minimum=2
    )
    denoise_guidance: float = option("float", 3.0, "leco and slider: guidance of that sampling", minimum=0)

    def __post_init__(self) -> None:
        if len(self.positive_prompt) != len(self.negative_prompt):
            raise OptionError(
                f"positive_prompt has {len(self.positive_prompt)} prompts, negative_prompt "
                f"{len(self.negative_prompt)}. Give as many of each: they are pairs."
            )
        for name in ("target_prompt", "positive_prompt"):
            count = len(getattr(self, name))
            if count not in (0, 1, len(self.original_prompt)):
                raise OptionError(
                    f"{name} has {count} prompts for {len(self.original_prompt)} of original_prompt. "
                    "Give one for each, or one for all."
                )

    @property
    def guidance(self) -> float:
        """`prompt_guidance`, or what each method begins with."""
        usual = 1.0 if self.mode in (LECO, SLIDER) else 0.0
        return usual if self.prompt_guidance is None else self.prompt_guidance


@dataclass(frozen=True, kw_only=True)
class DifferenceOptions:
    """What train_difference.py learns from pairs of images that differ in one thing."""

    original_image: str | None = option("str", None, "the one pair's image as it is, where no dataset is given")
    target_image: str | None = option("str", None, "the same image with the change that is learnt")
    diff_target_name: str = option(
        "str", "_target", "what the target's file name ends with: face.png and face_target.png are a pair"
    )
    diff_revert_original_target: bool = option("bool", False, "learn the way back, from target to original")
    diff_use_diff_mask: bool = option("bool", False, "learn only where the images of a pair differ")
    diff_save_1st_pass: bool = option("bool", False, "difference: keep the first LoRA too, as <name>_copy")
    diff_1st_pass_only: bool = option("bool", False, "difference: train and save that first LoRA alone")
    diff_load_1st_pass: str | None = option("str", None, "difference: take the first LoRA from this file instead")
    second_pass_args: tuple[str, ...] = option(
        "strings", (), 'difference: what the second LoRA has otherwise, as "network_dim=4"'
    )
    diff_alt_ratio: float = option(
        "float", 1.0, "addift: strength of the steps backwards; below 0 they see noise alone; 0 leaves them out"
    )

    def __post_init__(self) -> None:
        if (self.original_image is None) != (self.target_image is None):
            raise OptionError("original_image and target_image are a pair. Give both, or a dataset instead.")
        if not self.diff_target_name:
            raise OptionError("diff_target_name is empty, so no image would be told from its target. Set _target.")
        if self.diff_1st_pass_only and self.diff_load_1st_pass:
            raise OptionError(
                "diff_1st_pass_only and diff_load_1st_pass leave nothing to train. Remove one of them."
            )


NOWHERE, EVERYWHERE = "none", "both"
PLACES = (EVERYWHERE, NOWHERE, "A", "B")
"""Where images can go whose captions don't tell."""


@dataclass(frozen=True, kw_only=True)
class StageOptions:
    """What train_multi_stage.py divides the images by, to train a stage on each part after one on all of them."""

    concept_a_keywords: str | None = option(
        "str", None, "words that captions of concept A hold, with commas or | between them"
    )
    concept_b_keywords: str | None = option("str", None, "the same of concept B")
    further_concepts: tuple[str, ...] = option(
        "strings", (), "the same of concepts C, D and so on: one such text for each"
    )
    stage1_share: float = option(
        "float", 0.5, "share of the epochs in which all images are trained on first, 0.1 to 0.9", minimum=0.1
    )
    stage2_lr_scale: float = option("float", 1.0, "factor of the learning rates in the stages after it", minimum=0)
    concept_tie: str = option(
        "str", EVERYWHERE, "where an image goes that has as many keywords of several concepts", choices=PLACES
    )
    concept_unmatched: str = option(
        "str", NOWHERE, "where an image goes that has none; none leaves it to the first stage", choices=PLACES
    )

    def __post_init__(self) -> None:
        if self.stage1_share > 0.9:
            raise OptionError(f"stage1_share = {self.stage1_share:g} leaves nothing to divide. 0.9 is the most.")
        if not self.stage2_lr_scale:
            raise OptionError("stage2_lr_scale = 0 would teach the concepts nothing. More than 0 is allowed.")


GROUPS: dict[str, type] = {
    "model": ModelOptions,
    "network": NetworkOptions,
    "dataset": DatasetOptions,
    "buckets": BucketOptions,
    "captions": CaptionOptions,
    "augmentation": AugmentationOptions,
    "training": TrainingOptions,
    "optimizer": OptimizerOptions,
    "memory": MemoryOptions,
    "noise": NoiseOptions,
    "loss": LossOptions,
    "validation": ValidationOptions,
    "output": OutputOptions,
    "metadata": MetadataOptions,
    "state": StateOptions,
    "samples": SampleOptions,
    "logging": LoggingOptions,
    "concept": ConceptOptions,
    "difference": DifferenceOptions,
    "stages": StageOptions,
}
