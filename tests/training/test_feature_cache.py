"""The cache of image features: equal to encoding, bounded, shared, never stale, never in the way."""

import errno
import multiprocessing
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from toy_training import toy_collator, toy_example, toy_loaded
from transformers import InstructBlipVisionConfig, InstructBlipVisionModel

from ib_data.training.features import cache as cache_module
from ib_data.training.features.cache import FeatureCache
from ib_data.training.features.cached import cached_features, features_through, image_keys
from ib_data.training.features.encoder import encoder_fingerprint
from ib_data.training.features.entry import from_bytes, num_bytes, to_bytes
from ib_data.training.model.forward import image_features, target_losses

ROWS, WIDTH, SIDE = 5, 8, 4
ENTRY_BYTES = num_bytes(ROWS, WIDTH)
ROOM_FOR_3 = int(3 * ENTRY_BYTES / 0.9) + 1


def images_of(numbers: Sequence[int]) -> Tensor:
    """An image of its own for each number, uint8 (U, H, W, 3)."""
    values = torch.arange(SIDE * SIDE * 3).view(SIDE, SIDE, 3)
    return torch.stack([(values * (number + 1) + number) % 256 for number in numbers]).to(torch.uint8)


class Encoder:
    """Features of each image alone, float32; remembers how many images each call had."""

    def __init__(self, sign: int = 1) -> None:
        self.sign = sign
        self.calls: list[int] = []

    def __call__(self, images: Tensor) -> Tensor:
        self.calls.append(len(images))
        return self.features(images)

    def features(self, images: Tensor) -> Tensor:
        flat = images.flatten(1).float()
        return torch.stack([self.sign * torch.sin(flat[:, :WIDTH] * (row + 1)) for row in range(ROWS)], dim=1)


def opened(folder: Path, fingerprint: str = "encoder", max_bytes: int = 10**6) -> tuple[FeatureCache, list[str]]:
    said: list[str] = []
    return FeatureCache(folder, fingerprint, max_bytes, said.append), said


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*/*/*") if path.is_file())


def used_at(cache: FeatureCache, number: int, second: int) -> None:
    os.utime(cache.path(image_keys(images_of([number]))[0]), (second, second))


def held(cache: FeatureCache, numbers: Sequence[int]) -> list[int]:
    return [number for number in numbers if cache.path(image_keys(images_of([number]))[0]).exists()]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.lists(st.integers(0, 7), min_size=1, max_size=5)), max_size=8
    ),
    room=st.integers(0, 6),
    damage=st.lists(st.integers(0, 7), max_size=3),
)
def test_cached_equals_encoded_for_any_batches_and_evictions(
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[tuple[str, list[int]]],
    room: int,
    damage: list[int],
) -> None:
    folder = tmp_path_factory.mktemp("features")
    caches = {name: opened(folder, name, room * ENTRY_BYTES)[0] for name in ("a", "b")}
    for number, (name, batch) in enumerate(batches):
        images = images_of(batch)
        encoder = Encoder(sign=1 if name == "a" else -1)
        found = cached_features(caches[name], images, encoder)
        assert torch.equal(found, encoder.features(images).to(torch.bfloat16))
        counts = caches[name].counts.take()
        assert (counts.num_hits + counts.num_misses, sum(encoder.calls)) == (len(batch), counts.num_misses)
        assert len(encoder.calls) <= 1
        assert sum(path.stat().st_size for path in files_of(folder)) <= room * ENTRY_BYTES
        if number in damage and (files := files_of(folder)):
            files[0].write_bytes(files[0].read_bytes()[:-1] + b"?")


def test_only_what_is_missing_is_encoded_in_one_call_and_order_is_kept(tmp_path: Path) -> None:
    encoder = Encoder()
    cache, said = opened(tmp_path)
    cached_features(cache, images_of([1, 3]), encoder)
    found = cached_features(cache, images_of([0, 1, 2, 3, 4]), encoder)
    assert encoder.calls == [2, 3]
    assert torch.equal(found, Encoder().features(images_of([0, 1, 2, 3, 4])).bfloat16())
    again = cached_features(opened(tmp_path)[0], images_of([4, 0]), encoder)  # the next run
    assert encoder.calls == [2, 3]
    assert torch.equal(again, found[[4, 0]])
    counts = cache.counts.take()
    assert (counts.num_hits, counts.num_misses, counts.num_damaged, counts.num_evicted) == (2, 5, 0, 0)
    assert (counts.read_bytes, counts.written_bytes) == (2 * ENTRY_BYTES, 5 * ENTRY_BYTES)
    assert cache.counts.num_hits == 0
    assert said == []


def test_an_entry_is_bfloat16_and_a_small_header() -> None:
    assert num_bytes(257, 1408) == 257 * 1408 * 2 + 20
    features = torch.randn(ROWS, WIDTH).bfloat16()
    entry = bytearray(to_bytes(features, "name"))
    found = from_bytes(entry, "name")
    assert found is not None
    assert torch.equal(found, features)
    assert from_bytes(entry, "other") is None
    assert from_bytes(bytearray(), "name") is None


def test_pixels_size_and_encoder_tell_features_apart(tmp_path: Path) -> None:
    image = images_of([1])
    crop = image.clone()
    crop[0, 0, 0, 0] += 1
    assert len({*image_keys(image), *image_keys(crop), *image_keys(image.view(1, 2 * SIDE, SIDE // 2, 3))}) == 3
    cached_features(opened(tmp_path, "first")[0], image, Encoder())
    second = Encoder()
    cached_features(opened(tmp_path, "second")[0], image, second)
    assert second.calls == [1]
    assert len({path.parent.parent for path in files_of(tmp_path)}) == 2


def test_another_normalisation_is_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = opened(tmp_path)[0].path("00")
    monkeypatch.setattr(cache_module, "MEAN", (0.5, 0.5, 0.5))
    assert opened(tmp_path)[0].path("00") != first


def test_features_laid_into_the_folder_of_another_encoder_are_not_taken(tmp_path: Path) -> None:
    old, new = opened(tmp_path, "old")[0], opened(tmp_path, "new")[0]
    key = image_keys(images_of([1]))[0]
    cached_features(old, images_of([1]), Encoder())
    old.path(key).parent.parent.rename(new.path(key).parent.parent)
    encoder = Encoder()
    cached_features(new, images_of([1]), encoder)
    assert encoder.calls == [1]
    assert new.counts.num_damaged == 1


@pytest.mark.parametrize(
    "harm",
    [
        lambda entry: b"",
        lambda entry: entry[:10],
        lambda entry: entry[:-2],
        lambda entry: entry + b"\0\0",
        lambda entry: b"\x80\x04" + entry[2:],
        lambda entry: entry[:-3] + bytes([entry[-3] ^ 1]) + entry[-2:],
        lambda entry: entry[:8] + entry[12:16] + entry[8:12] + entry[16:],  # rows and columns exchanged
        lambda entry: entry[:20],
    ],
)
def test_a_damaged_file_is_encoded_again_and_counted(tmp_path: Path, harm) -> None:
    cache, said = opened(tmp_path)
    encoder = Encoder()
    expected = cached_features(cache, images_of([1, 2]), encoder)
    path = cache.path(image_keys(images_of([2]))[0])
    path.write_bytes(harm(path.read_bytes()))
    assert torch.equal(cached_features(cache, images_of([1, 2]), encoder), expected)
    assert (encoder.calls, cache.counts.num_damaged) == ([2, 1], 1)
    assert torch.equal(cached_features(cache, images_of([1, 2]), encoder), expected)
    assert (encoder.calls, cache.counts.num_damaged, said) == ([2, 1], 1, [])


def test_the_least_recently_used_make_room(tmp_path: Path) -> None:
    cache, _ = opened(tmp_path, max_bytes=ROOM_FOR_3)
    for number in range(3):
        cached_features(cache, images_of([number]), Encoder())
        used_at(cache, number, 1000 + number)
    cached_features(cache, images_of([0]), Encoder())  # used again
    cached_features(cache, images_of([3]), Encoder())
    assert held(cache, range(4)) == [0, 2, 3]
    assert cache.counts.num_evicted == 1


def test_old_encoders_make_room_too(tmp_path: Path) -> None:
    old, _ = opened(tmp_path, "old", ROOM_FOR_3)
    cached_features(old, images_of([0, 1]), Encoder())
    for number in (0, 1):
        used_at(old, number, 1000)
    new, _ = opened(tmp_path, "new", ROOM_FOR_3)
    cached_features(new, images_of([0, 1, 2]), Encoder())
    assert (held(old, range(3)), held(new, range(3))) == ([], [0, 1, 2])


def test_a_lowered_bound_and_what_killed_writers_left_are_trimmed(tmp_path: Path) -> None:
    cache, _ = opened(tmp_path)
    cached_features(cache, images_of([0, 1, 2]), Encoder())
    left = files_of(tmp_path)[0].with_suffix(".12345678.part")
    left.write_bytes(bytes(ENTRY_BYTES))
    os.utime(left, (1, 1))
    (tmp_path / "bytes.txt").write_text("")  # killed while it wrote the number
    smaller, _ = opened(tmp_path, max_bytes=ROOM_FOR_3)
    smaller.trim()
    assert held(smaller, range(3)) == [0, 1, 2]
    assert not left.exists()
    opened(tmp_path, max_bytes=0)[0].trim()
    assert files_of(tmp_path) == []
    opened(tmp_path / "absent")[0].trim()
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_full_disk_is_said_once_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    cache, said = opened(tmp_path)
    cached_features(cache, images_of([0]), Encoder())

    def full(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:10])
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    for batch in ([0, 1, 2], [0, 3]):
        assert torch.equal(
            cached_features(cache, images_of(batch), Encoder()), Encoder().features(images_of(batch)).bfloat16()
        )
    assert len(said) == 1
    assert "feature cache" in said[0]
    assert "goes on" in said[0]
    assert len(files_of(tmp_path)) == 1  # nothing partial is left
    assert (cache.counts.num_hits, cache.counts.written_bytes) == (2, ENTRY_BYTES)


def test_a_cache_removed_while_it_is_used_begins_anew(tmp_path: Path) -> None:
    cache, said = opened(tmp_path / "features")
    cached_features(cache, images_of([0, 1]), Encoder())
    (tmp_path / "features").rename(tmp_path / "gone")
    encoder = Encoder()
    cached_features(cache, images_of([0, 1]), encoder)
    cached_features(cache, images_of([0, 1]), encoder)
    assert (encoder.calls, said) == ([2], [])


def test_a_model_trains_on_cached_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = toy_loaded()
    batch = toy_collator().batch([toy_example(position) for position in range(12)])
    cache, _ = opened(tmp_path, encoder_fingerprint(loaded.model.vision_model))
    rounded = image_features(loaded.model, batch.pixel_values).bfloat16()
    expected = target_losses(loaded.model, batch, rounded)
    exact = target_losses(loaded.model, batch)
    features = features_through(cache, loaded.model)
    for _ in range(2):
        assert torch.equal(target_losses(loaded.model, batch, features(batch)), expected)
        monkeypatch.setattr(loaded.model.vision_model, "forward", None)  # not needed a second time
    assert cache.counts.num_hits == cache.counts.num_misses == len(batch.images)
    assert torch.allclose(exact, expected, rtol=0.02, atol=0.02)


def _run(folder: Path, start: "multiprocessing.synchronize.Barrier", results: "multiprocessing.Queue[object]") -> None:
    """One of two runs over the same 24 images, with room for half of them."""
    torch.set_num_threads(1)
    cache, said = opened(folder, max_bytes=12 * ENTRY_BYTES)
    start.wait()
    is_equal = True
    for step in range(100):
        images = images_of([(step * 3 + other * 5) % 24 for other in range(4)])
        is_equal &= torch.equal(cached_features(cache, images, Encoder()), Encoder().features(images).bfloat16())
    results.put((is_equal, cache.counts.num_damaged, cache.counts.num_hits + cache.counts.num_misses, said))


def test_two_processes_share_a_folder(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    start, results = context.Barrier(2), context.Queue()
    runs = [context.Process(target=_run, args=(tmp_path, start, results)) for _ in range(2)]
    for run in runs:
        run.start()
    found = [results.get(timeout=120) for _ in runs]
    for run in runs:
        run.join()
    assert found == [(True, 0, 400, [])] * 2
    assert not list(tmp_path.glob("*/*/*.part"))
    cache, _ = opened(tmp_path, max_bytes=12 * ENTRY_BYTES)
    cache.trim()
    assert sum(path.stat().st_size for path in files_of(tmp_path)) <= 12 * ENTRY_BYTES
    for number in range(24):  # what is there is whole
        cached_features(cache, images_of([number]), Encoder())
    assert cache.counts.num_damaged == 0


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
