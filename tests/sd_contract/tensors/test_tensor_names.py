from sd_contract.tensors.tensor_names import lora_name, part_of


def test_the_text_models_prefix_is_put_back():
    path = "encoder.layers.0.self_attn.q_proj"

    assert lora_name("text_encoder", path) == "lora_te_text_model_encoder_layers_0_self_attn_q_proj"
    assert lora_name("text_encoder", f"text_model.{path}") == lora_name("text_encoder", path)


def test_unet_names_are_diffusers_paths():
    path = "down_blocks.0.attentions.1.transformer_blocks.0.attn1.to_out.0"

    assert lora_name("unet", path) == ("lora_unet_down_blocks_0_attentions_1_transformer_blocks_0_attn1_to_out_0")


def test_a_name_tells_its_part():
    assert part_of("lora_unet_x.alpha") == "unet"
    assert part_of("lora_te_x.alpha") == "text_encoder"
    assert part_of("lora_te1_x.alpha") == part_of("lora_te2_x.alpha") == "text_encoder"
    assert part_of("oft_unet_x.alpha") is None
