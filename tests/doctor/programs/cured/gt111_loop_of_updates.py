"""My NumPy two-layer net for the spiral data, moved to torch to get rid of the hand-made backprop."""
import numpy as np
import torch

np.random.seed(0)
torch.manual_seed(0)
torch.set_num_threads(1)

N, D, K, H = 200, 2, 3, 60


def spiral():
    X = np.zeros((N * K, D))
    y = np.zeros(N * K, dtype=np.int64)
    for j in range(K):
        ix = range(N * j, N * (j + 1))
        r = np.linspace(0.0, 1, N)
        t = np.linspace(j * 4, (j + 1) * 4, N) + np.random.randn(N) * 0.2
        X[ix] = np.c_[r * np.sin(t), r * np.cos(t)]
        y[ix] = j
    return X, y


X, y = spiral()
order = np.random.permutation(len(X))
X, y = X[order], y[order]
X = torch.tensor(X, dtype=torch.float32)
y = torch.tensor(y)
n_train = 450
X_train, y_train, X_test, y_test = X[:n_train], y[:n_train], X[n_train:], y[n_train:]

W1 = (torch.randn(D, H) * 0.5).requires_grad_()
b1 = torch.zeros(H, requires_grad=True)
W2 = (torch.randn(H, K) * 0.1).requires_grad_()
b2 = torch.zeros(K, requires_grad=True)
params = [W1, b1, W2, b2]

lr, reg = 1.0, 1e-4


def forward(inputs):
    hidden = torch.clamp(inputs @ W1 + b1, min=0)
    return hidden @ W2 + b2


def data_loss(scores, labels):
    scores = scores - scores.max(dim=1, keepdim=True).values
    log_probs = scores - scores.exp().sum(dim=1, keepdim=True).log()
    return -log_probs[torch.arange(len(labels)), labels].mean()


def accuracy(inputs, labels):
    with torch.no_grad():
        return (forward(inputs).argmax(dim=1) == labels).float().mean().item()


for i in range(2001):
    loss = data_loss(forward(X_train), y_train) + 0.5 * reg * ((W1 ** 2).sum() + (W2 ** 2).sum())
    loss.backward()
    if i % 500 == 0:
        print("iteration %d: loss %f" % (i, loss.item()))
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad
    for p in params:
        p.grad = None

print("training accuracy: %.3f" % accuracy(X_train, y_train))
print("test accuracy: %.3f" % accuracy(X_test, y_test))
