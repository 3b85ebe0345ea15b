from itertools import chain
from pathlib import Path

from lora_engine.data.batches import epoch_batches, run_steps
from lora_engine.maths.streams import Streams
from sd_contract.datasets import CollectedDataset, Dataset, DatasetItem, Subset
from sd_contract.images.buckets import Placement
from sd_contract.steps import StepPlan


def collected(images, *, repeats=1, batch_size=2, size=64, **subset):
    folder = Subset(image_dir=Path(f"{size}"), **subset)
    items = tuple(
        DatasetItem(
            image=Path(f"{size}/{name}"),
            caption="a, b, c, d",
            repeats=repeats,
            subset=folder,
            size=(size, size),
            placement=Placement((size, size), (size, size)),
        )
        for name in images
    )
    dataset = Dataset(resolution=(size, size), batch_size=batch_size, subsets=(folder,))
    return CollectedDataset(dataset=dataset, items=items, warnings=())


def names(batches):
    return [[sample.item.image.name for sample in batch.samples] for batch in batches]


def test_every_image_comes_as_often_as_its_repeats():
    batches = epoch_batches([collected("abc", repeats=3, batch_size=2)], Streams(1), 1)

    assert sorted(chain(*names(batches))) == list("aaabbbccc")
    assert sorted(map(len, names(batches))) == [1, 2, 2, 2, 2]


def test_each_epoch_and_seed_has_its_own_order():
    datasets = [collected("abcdefgh", batch_size=8)]
    orders = [names(epoch_batches(datasets, Streams(seed), epoch)) for seed in (1, 2) for epoch in (1, 2)]

    assert len({str(order) for order in orders}) == 4
    assert names(epoch_batches(datasets, Streams(1), 1)) == orders[0]


def test_the_sizes_of_an_epoch_do_not_depend_on_the_seed():
    datasets = [collected("abcd", size=64), collected("efgh", size=96), collected("ijkl", size=128)]
    sizes = [
        [batch.dataset.resolution for batch in epoch_batches(datasets, Streams(seed), 1)] for seed in range(5)
    ]

    assert all(order == sizes[0] for order in sizes)
    assert sizes[0] != sorted(sizes[0])


def numbers(batches):
    return {sample.number: sample.item.image.name for batch in batches for sample in batch.samples}


def test_every_draw_of_a_run_has_a_number_of_its_own():
    datasets = [collected("abc"), collected("de", size=96)]
    first, second = (numbers(epoch_batches(datasets, Streams(1), epoch)) for epoch in (1, 2))

    assert sorted([*first, *second]) == list(range(10))


def test_another_batch_size_leaves_the_numbers_of_the_draws():
    small, large = (
        numbers(epoch_batches([collected("abcdefg", batch_size=size)], Streams(1), 3)) for size in (1, 4)
    )

    assert small == large


def test_an_epochs_last_step_may_have_fewer_batches():
    plan = StepPlan(batches_per_epoch=3, steps_per_epoch=2, total_steps=3, epochs=2)
    steps = list(run_steps([collected("abcdef")], plan, Streams(1), 2))

    assert [(step.number, step.epoch, len(step.batches), step.ends_epoch) for step in steps] == [
        (1, 1, 2, False),
        (2, 1, 1, True),
        (3, 2, 2, False),
    ]


def test_a_batch_holds_images_of_one_bucket_and_the_buckets_do_not_depend_on_the_seed():
    wide, square = collected("abc", size=96), collected("defg")
    mixed = CollectedDataset(dataset=square.dataset, items=(*wide.items, *square.items))
    orders = [epoch_batches([mixed], Streams(seed), 1) for seed in range(3)]

    for batch in chain(*orders):
        assert {sample.item.placement.bucket for sample in batch.samples} == {batch.bucket}
    assert sorted(map(len, names(orders[0]))) == [1, 2, 2, 2]
    assert len({str([batch.bucket for batch in order]) for order in orders}) == 1
    assert len({str(names(order)) for order in orders}) == 3


def test_batches_know_their_epoch_and_step():
    plan = StepPlan(batches_per_epoch=3, steps_per_epoch=2, total_steps=4, epochs=2)
    steps = list(run_steps([collected("abcdef")], plan, Streams(1), 2))

    assert [[(batch.epoch, batch.step) for batch in step.batches] for step in steps] == [
        [(1, 1), (1, 1)],
        [(1, 2)],
        [(2, 3), (2, 3)],
        [(2, 4)],
    ]
