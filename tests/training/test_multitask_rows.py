"""An annotation rendered without an instruction becomes a row: a caption has nothing but its image."""

import pytest
from toy_models import shared_toy_folder

from ib_data.cards import load_card
from ib_data.sample import Annotation
from ib_data.templates.render_options import RenderOptions
from ib_data.templates.renderer import Renderer
from ib_data.training.batch.row import RowMaker
from ib_data.training.text.tokenizers import load_tokenizers
from ib_data.training.weights.config_file import instructblip_config


@pytest.mark.parametrize("family", ["llama", "t5"])
def test_an_empty_input_is_the_image_and_special_tokens(family: str) -> None:
    renderer = Renderer(options=RenderOptions(instructions="plain"))
    rendered = renderer.render(load_card("coco_caption"), Annotation(id="1", caption="a red circle"), 0)
    assert rendered.instruction == ""
    folder = shared_toy_folder(family)
    tokenizers = load_tokenizers(folder, instructblip_config(folder).image_token_id)
    maker = RowMaker(
        tokenizers=tokenizers,
        num_query_tokens=8,
        is_causal=family == "llama",
        max_instruction_tokens=128,
        max_target_tokens=256,
    )
    row = maker.row(rendered, num_frames=1)
    language, qformer = tokenizers.language, tokenizers.qformer
    suffix = () if family == "llama" else language.suffix
    assert row.prompt == [*[tokenizers.image_id] * 8, *language.prefix, *suffix]
    assert row.output == [*language.ids("a red circle"), tokenizers.eos_id]
    assert all(row.learnt)
    assert row.qformer == [*qformer.prefix, *qformer.suffix]
