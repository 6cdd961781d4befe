"""The walks of docs/inside.md are what happens: each step is called, in this order."""

import contextlib
import io
import random
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import gradatim as gt
from gradatim.cli.main import run
from tests.test_docs_inside import SOURCE, STEP_OF_A_WALK, walks


def parts():
    """Give the steps of each walk as pairs of file and name; the third goes back."""
    for title, items in walks():
        steps = [STEP_OF_A_WALK.match(item).groups() for item in items]
        starts = [n for n, item in enumerate(items) if item.startswith("1. ")]
        ends = [*starts[1:], len(items)]
        for start, end in zip(starts, ends, strict=True):
            yield f"{title}, from step {start + 1}", steps[start:end]


PARTS = dict(parts())


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 2)

    def forward(self, x):
        return self.layer(x)


def trained(*callbacks):
    """Train on two classes, so that it matters what a batch weighs."""
    torch.manual_seed(0)
    model = Model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x = torch.linspace(0, 1, 40).unsqueeze(1)
    data = x, (x[:, 0] > 0.5).long()
    trainer = gt.Trainer(model, nn.CrossEntropyLoss(), optimizer)
    trainer.fit(
        data,
        data,
        epochs=2,
        batch_size=16,
        seed=1,
        callbacks=callbacks,
        progress=False,
    )


def batch():
    trained()


def csv_file():
    generator = random.Random(0)
    rows = [
        f"{generator.random():.4f},{generator.choice('uvw')},{generator.random():.3f}"
        for _ in range(120)
    ]
    Path("houses.csv").write_text("\n".join(["size,kind,price", *rows]))
    assert run(["fit", "houses.csv", "--target", "price", "--epochs", "1"]) == 0
    assert run(["predict", "houses.csv", "-o", "prices.csv"]) == 0


class Breaks(gt.Callback):
    only_watches = True

    def on_step_end(self, trainer, loss):
        if trainer.num_steps == 2:
            raise RuntimeError("broken off")


def checkpoint():
    with pytest.raises(RuntimeError, match="broken off"):
        trained(Breaks(), gt.Run("run", every_steps=1))


def resume():
    checkpoint()
    trained(gt.Run("run", every_steps=1))


def event():
    torch.manual_seed(0)
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    x, y = gt.data.line()
    with gt.watch() as seen:
        for _ in range(10):
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
    assert "tried" in str(seen.findings[0])


PROGRAMS = [batch, csv_file, checkpoint, resume, event]


def calls_of(program):
    """Give the calls of our functions that a program makes: file and name, in order."""
    calls = []

    def note(frame, event, arg):
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(str(SOURCE)):
            file = Path(code.co_filename).relative_to(SOURCE).as_posix()
            calls.append((file, code.co_qualname))

    sys.setprofile(note)
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            program()
    finally:
        sys.setprofile(None)
    return calls


def first_step_that_does_not_happen(steps, calls):
    """Give a step that is not called after the one before it, or None."""
    rest = iter(calls)
    for file, name in steps:
        if not any(
            called == file and (part == name or part.startswith(f"{name}."))
            for called, part in rest
        ):
            return file, name
    return None


@pytest.mark.parametrize(
    ("title", "program"), list(zip(PARTS, PROGRAMS, strict=True)), ids=list(PARTS)
)
def test_the_walk_happens_in_this_order(
    title, program, tmp_path, monkeypatch, unchecked
):
    monkeypatch.chdir(tmp_path)
    assert first_step_that_does_not_happen(PARTS[title], calls_of(program)) is None


def test_a_step_out_of_order_is_seen():
    calls = [("a.py", "f"), ("a.py", "g.inner"), ("b.py", "h")]
    assert (
        first_step_that_does_not_happen([("a.py", "g"), ("b.py", "h")], calls) is None
    )
    found = first_step_that_does_not_happen([("b.py", "h"), ("a.py", "f")], calls)
    assert found == ("a.py", "f")
