# The input is optimised, the network stays as it is.
import torch
from torch import nn

torch.manual_seed(0)
features = nn.Sequential(
    nn.Conv1d(1, 8, 5, padding=2), nn.ReLU(), nn.Conv1d(8, 8, 5, padding=2)
)
features.requires_grad_(False).eval()


def gram(x):
    f = features(x)
    return f @ f.transpose(1, 2) / f.size(-1)


t = torch.linspace(0, 12, 64).view(1, 1, -1)
content, style = torch.sin(t), torch.sign(torch.sin(4 * t))
content_features, style_gram = features(content), gram(style)
image = content.clone().requires_grad_(True)
optimizer = torch.optim.LBFGS([image], max_iter=10)
run = [0]
while run[0] <= 40:

    def closure():
        optimizer.zero_grad()
        style_score = nn.functional.mse_loss(gram(image), style_gram)
        content_score = nn.functional.mse_loss(features(image), content_features)
        loss = 10 * style_score + content_score
        loss.backward()
        run[0] += 1
        if run[0] % 20 == 0:
            print(run[0], style_score.item(), content_score.item())
        return loss

    optimizer.step(closure)
