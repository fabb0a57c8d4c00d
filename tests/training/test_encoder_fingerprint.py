"""The fingerprint of a vision encoder, which a folder of cached features belongs to."""

from transformers import InstructBlipVisionConfig, InstructBlipVisionModel

from ib_data.training.features.encoder import encoder_fingerprint


def test_the_fingerprint_tells_weights_settings_and_dtype_apart() -> None:
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}

    def encoder(**more: object) -> InstructBlipVisionModel:
        config = InstructBlipVisionConfig(**shape, image_size=4, patch_size=2, **more)
        return InstructBlipVisionModel(config).requires_grad_(False)

    first = encoder()
    same = encoder()
    same.load_state_dict(first.state_dict())
    same.config.name_or_path = "elsewhere"
    fingerprint = encoder_fingerprint(first)
    assert encoder_fingerprint(same) == fingerprint
    same.post_layernorm.weight[0] += 1e-3
    other = encoder(layer_norm_eps=1e-5)
    other.load_state_dict(first.state_dict())
    differing = {encoder_fingerprint(model) for model in (same, other, first.bfloat16())}
    assert len(differing | {fingerprint}) == 4
