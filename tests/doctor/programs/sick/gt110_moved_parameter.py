import torch

torch.manual_seed(0)
x = torch.rand(100, 2, dtype=torch.float64)
y = x @ torch.tensor([2.0, -1.0], dtype=torch.float64) + 0.5
w = torch.randn(2, requires_grad=True).to(torch.float64)
b = torch.zeros(1, dtype=torch.float64, requires_grad=True)
for epoch in range(200):
    loss = ((x @ w + b - y) ** 2).mean()
    loss.backward()  # sick
    with torch.no_grad():
        for p in (w, b):
            if p.is_leaf:
                p -= 0.1 * p.grad
                p.grad.zero_()
print(w, b)
