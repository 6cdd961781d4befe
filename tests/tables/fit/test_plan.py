"""Splits and models before training: nothing of val or test rows gets in."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from gradatim.errors import ConfigError, DataError
from gradatim.tables.features import TableEncoder
from gradatim.tables.fit.config import TabularConfig
from gradatim.tables.fit.plan import build_network, plan_table, warmup_then_cosine
from gradatim.tables.model.network import ResidualMLP
from gradatim.tables.table import Table, read_table
from tests.houses import TARGETS, with_target


def table_of(target, **options):
    return read_table(with_target(target, **options), target=target)


@pytest.mark.parametrize("target", TARGETS)
def test_parts_share_no_row_and_leave_none_out(target):
    plan = plan_table(table_of(target), TabularConfig(val=0.2, test=0.1))
    rows = torch.cat([plan.train, plan.val, plan.test])
    assert rows.sort().values.tolist() == list(range(160))
    assert (len(plan.train), len(plan.val), len(plan.test)) == (112, 32, 16)


@pytest.mark.parametrize("target", ["dear", "grade", "town"])
def test_every_part_has_its_share_of_every_class(target):
    table = table_of(target)
    plan = plan_table(table)
    whole = torch.bincount(table.y) / len(table)
    for rows in (plan.train, plan.val, plan.test):
        shares = torch.bincount(table.y[rows], minlength=len(whole)) / len(rows)
        assert ((shares - whole).abs() * len(rows) <= 1).all()


def test_the_seed_decides_split_and_start():
    table = table_of("price")
    first, same = (plan_table(table, TabularConfig(seed=1)) for _ in range(2))
    other = plan_table(table, TabularConfig(seed=2))
    assert torch.equal(first.test, same.test)
    assert not torch.equal(first.test, other.test)
    assert torch.equal(
        first.model.network.first.weight, same.model.network.first.weight
    )
    assert not torch.equal(
        first.model.network.first.weight, other.model.network.first.weight
    )


def test_nothing_global_is_seeded():
    before = torch.get_rng_state()
    plan_table(table_of("town"))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("target", ["price", "town"])
def test_statistics_are_those_of_the_training_rows(target):
    table = table_of(target)
    plan = plan_table(table)
    by_hand = TableEncoder(table.schema).fit(table.select(plan.train).x)
    of_all = TableEncoder(table.schema).fit(table.x)
    buffers = dict(plan.model.encoder.named_buffers())
    assert any(
        not torch.equal(buffers[name], value) for name, value in of_all.named_buffers()
    )
    for name, value in by_hand.named_buffers():
        assert torch.equal(buffers[name], value), name
    if target == "price":
        wide = table.y[plan.train].double()
        assert plan.model.target_mean == wide.mean()
        assert plan.model.target_std == wide.std(correction=0)


def with_other_rows(table: Table, rows: torch.Tensor) -> Table:
    """The same table, with other values in some rows."""
    numbers, y = table.x["numbers"].clone(), table.y.clone()
    numbers[rows] = numbers[rows] * 100 - 7
    y[rows] = y[rows] * 3 + 1 if table.schema.target.task == "regression" else 0
    return replace(table, x={**table.x, "numbers": numbers}, y=y)


def test_val_and_test_rows_do_not_reach_the_model():
    table = table_of("price")
    plan = plan_table(table)
    changed = with_other_rows(table, torch.cat([plan.val, plan.test]))
    other = plan_table(changed).model.state_dict()
    for name, tensor in plan.model.state_dict().items():
        assert torch.equal(tensor, other[name]), name


def test_a_table_without_target_is_refused():
    table = read_table(with_target("price"), schema=table_of("price").schema)
    with pytest.raises(ConfigError, match="no target"):
        plan_table(replace(table, y=None))


def test_too_few_rows_are_refused_with_their_number():
    table = read_table(
        with_target("price", rows=12), target="price", keep=["area", "rooms", "built"]
    )
    with pytest.raises(DataError, match=r"12 rows are too few for 0\.02 of them"):
        plan_table(table, TabularConfig(val=0.02))


def test_a_class_of_one_row_is_trained_on():
    frame = with_target("town")
    frame.loc[3, "town"] = "Zell"
    plan = plan_table(read_table(frame, target="town"))
    assert 3 in plan.train.tolist()
    assert plan.architecture["num_outputs"] == 4


SIZES = {"num_features": 4, "num_outputs": 2}


class TestBuildNetwork:
    def test_the_description_gives_the_network(self):
        options = {"width": 8, "num_blocks": 1, "dropout": 0.2}
        network = build_network({"name": "residual_mlp", **SIZES, **options})
        assert isinstance(network, ResidualMLP)
        assert network.first.weight.shape == (8, 4)
        linear = build_network({"name": "linear", **SIZES})
        assert linear.weight.shape == (2, 4)

    @pytest.mark.parametrize("name", ["custom", "os.system"])
    def test_a_file_names_no_code(self, name):
        with pytest.raises(
            ConfigError, match=rf"'{name}'.*\n.*never names code.*\n.*--model"
        ):
            build_network({"name": name, **SIZES})

    @pytest.mark.parametrize(
        ("factory", "message"),
        [
            (
                lambda n: nn.Linear(n, 2),
                "4 features and 2 outputs and failed: TypeError",
            ),
            (lambda n, m: 1 / 0, "failed: ZeroDivisionError"),
            (lambda n, m: "network", "gave a str, not an nn.Module"),
            (lambda n, m: nn.Linear(n + 1, m), "fails on 2 rows of 4 features"),
            (lambda n, m: nn.Linear(n, m + 1), r"makes shape \(2, 3\) of 2 rows"),
            (
                lambda n, m: nn.Sequential(nn.Linear(n, m), nn.Flatten(0)),
                r"shape \(4,\)",
            ),
        ],
    )
    def test_a_factory_that_does_not_fit_is_refused(self, factory, message):
        with pytest.raises(ConfigError, match=message):
            build_network({"name": "custom", **SIZES}, factory)

    def test_a_factory_of_lazy_layers_is_taken(self):
        network = build_network(
            {"name": "custom", **SIZES}, lambda n, m: nn.LazyLinear(m)
        )
        assert network.weight.shape == (2, 4)
        assert network.training


def test_a_factory_is_told_the_sizes():
    asked = []

    def factory(num_features, num_outputs):
        asked.append((num_features, num_outputs))
        return nn.Linear(num_features, num_outputs)

    plan = plan_table(table_of("town"), factory=factory)
    assert asked == [(plan.model.encoder.num_features, 3)]
    assert plan.architecture["name"] == "custom"


def test_weights_are_decayed_and_nothing_else():
    plan = plan_table(table_of("price"), TabularConfig(weight_decay=0.1))
    optimizer = plan.make_optimizer()
    assert type(optimizer) is torch.optim.AdamW
    decayed, others = optimizer.param_groups
    assert decayed["weight_decay"] == 0.1 and others["weight_decay"] == 0
    assert {p.ndim for p in decayed["params"]} == {2}
    tables = {id(p) for p in plan.model.encoder.parameters()}
    assert tables <= {id(p) for p in others["params"]}
    assert len(decayed["params"]) + len(others["params"]) == len(
        list(plan.model.parameters())
    )


def test_the_step_size_rises_and_falls_to_zero():
    factor = warmup_then_cosine(0.1, 100)
    assert factor(0) == pytest.approx(0.1)
    assert factor(9) == 1 == factor(10)
    assert factor(55) == pytest.approx(0.5)
    assert factor(100) == pytest.approx(0, abs=1e-12) == factor(500)
    assert warmup_then_cosine(0.0, 1)(0) == 1


@pytest.mark.parametrize(
    ("target", "loss"),
    [
        ("price", nn.MSELoss),
        ("sold", nn.BCEWithLogitsLoss),
        ("grade", nn.CrossEntropyLoss),
    ],
)
def test_the_loss_fits_the_task_and_takes_the_targets(target, loss):
    plan = plan_table(table_of(target))
    assert type(plan.loss_fn) is loss
    outputs = plan.model(plan.table.x)
    assert plan.loss_fn(outputs, plan.targets).isfinite()
