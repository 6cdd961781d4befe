"""Mixed precision as the recipe has it; the scaler scales on the CPU as well."""

import torch

N, D_IN, D_OUT = 256, 10, 2


def make_model(width, depth):
    layers = []
    size = D_IN
    for _ in range(depth):
        layers += [torch.nn.Linear(size, width), torch.nn.ReLU()]
        size = width
    layers.append(torch.nn.Linear(size, D_OUT))
    return torch.nn.Sequential(*tuple(layers))


def run(use_amp, enabled):
    torch.manual_seed(4)
    net = make_model(32, 2)
    opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.8)
    scaler = torch.amp.GradScaler("cpu", enabled=enabled, init_scale=2.0**8)
    weight = torch.randn(D_IN, D_OUT) / D_IN**0.5
    for _ in range(60):
        data = torch.randn(N, D_IN)
        target = data @ weight
        with torch.autocast(device_type="cpu", dtype=torch.bfloat16, enabled=use_amp):
            output = net(data)
            loss = torch.nn.functional.mse_loss(output.float(), target)
        scaler.scale(loss).backward()
        scaler.unscale_(opt)
        torch.nn.utils.clip_grad_norm_(net.parameters(), max_norm=1.0)
        scaler.step(opt)
        scaler.update()
        opt.zero_grad()
    return loss.item()


print("plain", run(use_amp=False, enabled=False))
print("scaled", run(use_amp=False, enabled=True))
print("mixed", run(use_amp=True, enabled=True))
