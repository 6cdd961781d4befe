import pytest

from gradatim import History


def two_epochs():
    history = History()
    history.append({"epoch": 1, "train_loss": 0.5})
    history.append({"epoch": 2, "train_loss": 0.25, "val_loss": 0.3})
    return history


def test_a_key_that_comes_later_or_is_left_out_has_none():
    history = two_epochs()
    history.append({"epoch": 3})
    assert history == {
        "epoch": [1, 2, 3],
        "train_loss": [0.5, 0.25, None],
        "val_loss": [None, 0.3, None],
    }
    assert history.num_epochs == 3
    assert history.last() == {"epoch": 3, "train_loss": None, "val_loss": None}


def test_dicts_hold_one_epoch_each():
    history = two_epochs()
    again = History()
    for row in history.to_dicts():
        again.append(row)
    assert again == history
    assert History().to_dicts() == [] and History().last() == {}


def test_plot_draws_the_losses_over_the_epochs_and_skips_none():
    lines = two_epochs().plot().get_lines()
    drawn = {line.get_label(): line.get_xydata().tolist() for line in lines}
    assert drawn == {"train_loss": [[1, 0.5], [2, 0.25]], "val_loss": [[2, 0.3]]}


def test_plot_draws_what_is_asked_where_it_is_asked():
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert two_epochs().plot(["train_loss"], ax=ax) is ax
    assert len(ax.get_lines()) == 1
    with pytest.raises(KeyError, match="lr"):
        two_epochs().plot(["lr"])


def test_plot_of_nothing_is_an_empty_picture():
    assert not History().plot().has_data()
