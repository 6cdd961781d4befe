import torch

torch.manual_seed(3)
true_w, true_b = torch.tensor([[2.0], [-3.4]]), 4.2
X = torch.randn(500, 2)
Y = X @ true_w + true_b + 0.01 * torch.randn(500, 1)


def data_iter(size):
    indices = torch.randperm(len(X))
    for i in range(0, len(X), size):
        yield X[indices[i : i + size]], Y[indices[i : i + size]]


def linreg(X, w, b):
    return X @ w + b


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()


w = (0.01 * torch.randn(2, 1)).requires_grad_()
b = torch.zeros(1, requires_grad=True)
for epoch in range(4):
    for xb, yb in data_iter(10):
        l = squared_loss(linreg(xb, w, b), yb).sum()
        l.backward()
        sgd([w, b], 0.03, len(xb))
    with torch.no_grad():
        print(f"epoch {epoch + 1}, loss {squared_loss(linreg(X, w, b), Y).mean():f}")
