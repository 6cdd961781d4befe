"""Texts become features of the same meaning in the network and in linear models."""

import pyarrow as pa
import torch

from gradatim.tables.features import TableEncoder
from gradatim.tables.table import read_table

TITLES = ["red shoes", "blue shoes", None, "red hat"] * 5
DATA = {"t": TITLES, "u": [f"{i} a" for i in range(20)], "y": [*range(20)]}


def test_a_bag_is_the_sum_of_its_vectors_over_the_root_of_their_number():
    table = read_table(pa.table(DATA), target="y", text=["t", "u"])
    encoder = TableEncoder(table.schema).fit(table.x)
    assert encoder(table.x).shape == (20, len(encoder.feature_names)) == (20, 33)
    assert encoder.feature_names[16] == "t missing"
    bags = encoder.parts["texts"]
    assert not encoder(table.x)[:, :16].any()  # it starts at zero
    torch.nn.init.normal_(bags.tables[0].weight)
    features = encoder(table.x)
    ngrams = table.x["texts"][0, : table.schema.column("t").num_ngrams].long()
    ngrams = ngrams[ngrams > 0]
    by_hand = bags.tables[0].weight[ngrams].sum(dim=0) / len(ngrams) ** 0.5
    torch.testing.assert_close(features[0, :16], by_hand)
    assert features[:, 16].tolist() == [0, 0, 1, 0] * 5
    assert not features[2, :16].any()
    features.sum().backward()
    assert not bags.tables[0].weight.grad[0].any()  # 0 stands for no n-gram


def test_the_linear_view_is_scaled_and_finite():
    table = read_table(pa.table(DATA), target="y", text=["t", "u"])
    encoder = TableEncoder(table.schema, linear=True)
    assert encoder(table.x).isnan().all()  # no model trains on what was never scaled
    features = encoder.fit(table.x)(table.x)
    assert features.shape == (20, encoder.num_features)
    spread = features.std(dim=0, correction=0)
    assert ((spread - 1).abs() < 1e-3).logical_or(spread < 1e-3).all()
    assert features.mean(dim=0).abs().max() < 1e-5
    both = table.select(torch.tensor([0, 4])).x  # the same title twice
    same = encoder(both)[:, :512]
    assert torch.equal(same[0], same[1])
