import torch
import torch.nn as nn
import torch.nn.functional as F


class DoubleConv(nn.Sequential):
    def __init__(self, a, b):
        super().__init__(
            nn.Conv2d(a, b, 3, padding=1, bias=False),
            nn.BatchNorm2d(b),
            nn.ReLU(inplace=True),
        )


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1, self.down2 = DoubleConv(1, 8), DoubleConv(8, 16)
        self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.join = DoubleConv(16, 8)
        self.last = nn.Conv2d(8, 2, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        return self.last(self.join(torch.cat([a, self.up(b)], dim=1)))


def discs(n):
    r, c = torch.meshgrid(torch.arange(12.0), torch.arange(12.0), indexing="ij")
    center = 3 + 6 * torch.rand(n, 2, 1, 1)
    mask = (r - center[:, 0]) ** 2 + (c - center[:, 1]) ** 2 < 9
    return mask.float().unsqueeze(1) * 2 - 1 + 0.5 * torch.randn(
        n, 1, 12, 12
    ), mask.long()


def main(epochs=3):
    torch.manual_seed(0)
    net = UNet()
    optimizer = torch.optim.RMSprop(net.parameters(), lr=2e-3)
    images, masks = discs(128)
    val_images, val_masks = discs(32)
    for epoch in range(epochs):
        net.train()
        for k in torch.randperm(128).split(16):
            loss = F.cross_entropy(net(images[k]), masks[k])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            guess = net(val_images).argmax(1)
            iou = (guess & val_masks).sum() / (guess | val_masks).sum()
        print(epoch, loss.item(), iou.item())


main()
