"""A scikit-learn style wrapper, with warm start for changed label sets."""
import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn

torch.set_num_threads(1)


class TorchMLPClassifier(BaseEstimator, ClassifierMixin):
    def __init__(self, hidden=48, lr=0.01, max_iter=15, batch_size=64, warm_start=False, random_state=0):
        self.hidden = hidden
        self.lr = lr
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.warm_start = warm_start
        self.random_state = random_state

    def _initialise(self, n_features, n_classes):
        self.body_ = nn.Sequential(nn.Linear(n_features, self.hidden), nn.Tanh(),
                                   nn.Linear(self.hidden, self.hidden), nn.Tanh())
        self.head_ = nn.Linear(self.hidden, n_classes)
        self.optimizer_ = torch.optim.SGD([*self.body_.parameters(), *self.head_.parameters()],  # sick
                                          lr=self.lr, momentum=0.9)

    def _extend(self, n_classes):
        self.head_ = nn.Linear(self.hidden, n_classes)
        for group in self.optimizer_.param_groups:
            group["lr"] = self.lr / 2

    def fit(self, X, y):
        torch.manual_seed(self.random_state)
        previous = getattr(self, "classes_", None)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if not (self.warm_start and hasattr(self, "body_")):
            self._initialise(X.shape[1], len(self.classes_))
        elif previous is None or len(previous) != len(self.classes_):
            self._extend(len(self.classes_))
        X = torch.as_tensor(X, dtype=torch.float32)
        codes = torch.as_tensor(codes)
        loss_fn = nn.CrossEntropyLoss()
        self.loss_curve_ = []
        for _ in range(self.max_iter):
            epoch = 0.0
            for idx in torch.randperm(len(X)).split(self.batch_size):
                loss = loss_fn(self.head_(self.body_(X[idx])), codes[idx])
                self.optimizer_.zero_grad()
                loss.backward()
                self.optimizer_.step()
                epoch += loss.item() * len(idx)
            self.loss_curve_.append(epoch / len(X))
        return self

    @torch.no_grad()
    def predict(self, X):
        X = torch.as_tensor(X, dtype=torch.float32)
        return self.classes_[self.head_(self.body_(X)).argmax(1).numpy()]


X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=1, stratify=y)
scaler = StandardScaler().fit(X_train)
X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)

clf = TorchMLPClassifier(warm_start=True)
few = y_train < 5
clf.fit(X_train[few], y_train[few])
print("stage 1 (five digits): loss %.4f" % clf.loss_curve_[-1],
      "accuracy %.4f" % clf.score(X_test[y_test < 5], y_test[y_test < 5]))

clf.set_params(max_iter=15)
clf.fit(X_train, y_train)
print("stage 2 (all digits): first loss %.4f last loss %.4f" % (clf.loss_curve_[0], clf.loss_curve_[-1]),
      "accuracy %.4f" % clf.score(X_test, y_test))
