"""Keras 3 on its torch backend: ``compile`` and ``fit`` with their defaults."""

import os
from collections.abc import Callable

os.environ["KERAS_BACKEND"] = "torch"

import keras
from torch import nn

from works import Work


def prepare(work: Work) -> Callable[[], float]:
    *hidden, last = work.sizes[1:]
    model = keras.Sequential(
        [
            keras.Input((work.sizes[0],)),
            *(keras.layers.Dense(size, activation="relu") for size in hidden),
            keras.layers.Dense(last),
        ]
    )
    linears = [layer for layer in work.make_model() if isinstance(layer, nn.Linear)]
    for dense, linear in zip(model.layers, linears, strict=True):
        weight, bias = linear.weight.detach(), linear.bias.detach()
        dense.set_weights([weight.T.numpy(), bias.numpy()])
    optimizer = getattr(keras.optimizers, work.optimizer)(learning_rate=work.lr)
    model.compile(optimizer=optimizer, loss="mse")
    train, val = ([t.numpy() for t in pair] for pair in (work.train, work.val))

    def run() -> float:
        history = model.fit(
            *train,
            validation_data=val,
            epochs=work.epochs,
            batch_size=work.batch_size,
            verbose=0,
        )
        return history.history["val_loss"][-1]

    return run
