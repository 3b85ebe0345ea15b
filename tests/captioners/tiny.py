"""Models of every kind that captions are written with, as small as their formats allow, each in a folder as the
real one is. What they say means nothing, but for the WD tagger: it tells colours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

WORDS = (
    *("a", "the", "of", "cat", "dog", "red", "blue", "picture", "photo", "is", "with", "on", "and", "in", "what"),
    *("does", "image", "describe", "?", ".", "detail", "shown", "paragraph"),
)
TAGS = (
    ("9999999", "general", "9"),
    ("9999998", "sensitive", "9"),
    ("1", "blue_sky", "0"),
    ("2", "green_grass", "0"),
    ("3", "red_rose", "0"),
    ("4", "^_^", "0"),
    ("5", "saber_(fate)", "4"),
    ("6", "1girl", "0"),
    ("7", "meta_thing", "5"),
)
"""Their likelihoods: 0.2, 0.7, the mean of blue, of green, of red, 0.6, 0.9, 0.5, 1."""
BIASES = (0.2, 0.7, 0.0, 0.0, 0.0, 0.6, 0.9, 0.5, 1.0)
CHANNELS = {2: 0, 3: 1, 4: 2}
"""The output that tells the mean of a channel of BGR."""


def wd(folder: Path, *, batch: int | str = "batch", side: int = 8, outputs: int = len(TAGS)) -> Path:
    """A tagger whose likelihoods are the means of the channels, as 255ths, and constants."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    matrix = np.zeros((3, outputs), dtype=np.float32)
    for output, channel in CHANNELS.items():
        matrix[channel, output] = 1 / 255
    bias = np.asarray(BIASES[:outputs], dtype=np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["pixels"], ["means"], axes=[1, 2], keepdims=0),
            helper.make_node("Gemm", ["means", "matrix", "bias"], ["likelihoods"]),
        ],
        "tagger",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [batch, side, side, 3])],
        [helper.make_tensor_value_info("likelihoods", TensorProto.FLOAT, [batch, outputs])],
        [numpy_helper.from_array(matrix, "matrix"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    rows = [f"{id_},{name},{category},1" for id_, name, category in TAGS]
    (folder / "selected_tags.csv").write_text("\n".join(["tag_id,name,category,count", *rows]) + "\n")
    return folder


def blip(folder: Path) -> Path:
    from transformers import BlipConfig, BlipForConditionalGeneration, BlipProcessor

    tokenizer = bert_tokenizer()
    special = {
        "bos_token_id": tokenizer.cls_token_id,
        "eos_token_id": tokenizer.sep_token_id,
        "sep_token_id": tokenizer.sep_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = BlipConfig(
        vision_config={**small, "image_size": 32, "patch_size": 8},
        text_config={
            **small,
            **special,
            "vocab_size": len(tokenizer),
            "encoder_hidden_size": 16,
            "projection_dim": 8,
            "max_position_embeddings": 128,
        },
        projection_dim=8,
    )
    _save(BlipForConditionalGeneration(config), BlipProcessor(_pictures("Blip"), tokenizer), folder)
    return folder


def blip_2(folder: Path) -> Path:
    from transformers import (
        Blip2Config,
        Blip2ForConditionalGeneration,
        Blip2Processor,
        Blip2QFormerConfig,
        Blip2VisionConfig,
        OPTConfig,
    )

    tokenizer = bpe_tokenizer()
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    processor = Blip2Processor(_pictures("Blip"), tokenizer, num_query_tokens=4)
    config = Blip2Config(
        vision_config=Blip2VisionConfig(**small, intermediate_size=32, image_size=32, patch_size=8).to_dict(),
        qformer_config=Blip2QFormerConfig(**small, intermediate_size=32, encoder_hidden_size=16).to_dict(),
        text_config=OPTConfig(
            **small,
            ffn_dim=32,
            word_embed_proj_dim=16,
            vocab_size=len(tokenizer),
            max_position_embeddings=128,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        ).to_dict(),
        num_query_tokens=4,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    _save(Blip2ForConditionalGeneration(config), processor, folder)
    return folder


def florence(folder: Path) -> Path:
    from transformers import Florence2Config, Florence2ForConditionalGeneration, Florence2Processor

    tokenizer = bpe_tokenizer(extra=[f"<loc_{place}>" for place in range(1000)])
    config = Florence2Config(
        text_config={
            "model_type": "bart",
            "vocab_size": len(tokenizer),
            "d_model": 16,
            "encoder_layers": 1,
            "decoder_layers": 1,
            "encoder_attention_heads": 2,
            "decoder_attention_heads": 2,
            "encoder_ffn_dim": 32,
            "decoder_ffn_dim": 32,
            "max_position_embeddings": 300,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "decoder_start_token_id": tokenizer.eos_token_id,
            "forced_eos_token_id": tokenizer.eos_token_id,
        },
        vision_config={
            "embed_dim": [8, 8, 8, 16],
            "depths": [1, 1, 1, 1],
            "num_heads": [2, 2, 2, 2],
            "num_groups": [2, 2, 2, 2],
            "window_size": 2,
            "projection_dim": 16,
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
    )
    pictures = _pictures("CLIP", side=64)
    pictures.image_seq_length = 5
    processor = Florence2Processor(pictures, tokenizer, post_processor_config={"pure_text": {}})
    _save(Florence2ForConditionalGeneration(config), processor, folder)
    return folder


def deepbooru_shape() -> Any:
    """The real net's plan with few channels and blocks."""
    from train_tools.captioners.captioning_process.deepbooru import Shape, Stage

    return Shape(
        stem=4,
        stages=(Stage(2, 2, stride=1), Stage(3, 2), Stage(3, 2, shortcut_first=False)),
        tags=4,
    )


def deepbooru(folder: Path, tags: list[str]) -> Path:
    """Weights under the names of the real file, with its list of tags."""
    from train_tools.captioners.captioning_process.deepbooru import FILE, DeepDanbooru

    torch.manual_seed(3)
    net = DeepDanbooru(deepbooru_shape())
    weights: dict[str, Any] = {
        f"{name}.{part}": tensor.detach().clone()
        for name, conv in net.names
        for part, tensor in conv.named_parameters()
    }
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({**weights, "tags": tags}, folder / FILE)
    return folder


def bert_tokenizer() -> Any:
    from transformers import BertTokenizerFast

    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    return BertTokenizerFast(vocab={word: place for place, word in enumerate(vocabulary)})


def bpe_tokenizer(extra: list[str] | None = None) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = ["<s>", "<pad>", "</s>", "<unk>", *WORDS, *(word.capitalize() for word in WORDS)]
    words = models.WordLevel({word: place for place, word in enumerate(dict.fromkeys(vocabulary))}, "<unk>")
    tokenizer = Tokenizer(words)
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        extra_special_tokens={"image_token": "<image>"},
    )
    fast.add_tokens(extra or [], special_tokens=True)
    return fast


def _pictures(kind: str, side: int = 32) -> Any:
    """The image processor of the kind that needs no torchvision, for small pictures."""
    import transformers

    size = {"height": side, "width": side}
    return getattr(transformers, f"{kind}ImageProcessorPil")(size=size, crop_size=size, do_center_crop=False)


def _save(model: Any, processor: Any, folder: Path) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    model.eval().save_pretrained(folder, safe_serialization=True)
    processor.save_pretrained(folder)


def files_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def told_in(folder: Path, file: str) -> Any:
    return json.loads((folder / file).read_text(encoding="utf-8"))
