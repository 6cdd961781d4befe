"""A model of Hugging Face, padded batches and a warm-up."""

import pytorch_lightning as pl
import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader
from torchmetrics.classification import MulticlassAccuracy
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    get_linear_schedule_with_warmup,
)

torch.manual_seed(0)
# Sentences of 4 to 12 words; the question is whether word 1 is among them.
sentences = [torch.randint(1, 10, (int(n),)) for n in torch.randint(4, 13, (640,))]
rows = [(ids, int((ids == 1).any())) for ids in sentences]


def collate(rows):
    ids = pad_sequence([ids for ids, _ in rows], batch_first=True)  # 0 is no word
    labels = torch.tensor([label for _, label in rows])
    return {"input_ids": ids, "attention_mask": (ids != 0).long(), "labels": labels}


class Classifier(pl.LightningModule):
    def __init__(self, config):
        super().__init__()
        self.model = BertForSequenceClassification(config)
        self.accuracy = MulticlassAccuracy(num_classes=2, average="micro")
        self.accuracies = []

    def training_step(self, batch, batch_idx):
        loss = self.model(**batch).loss
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        outputs = self.model(**batch)
        self.accuracy(outputs.logits, batch["labels"])
        rows = len(batch["labels"])
        self.log("val_loss", outputs.loss, batch_size=rows)
        self.log("val_accuracy", self.accuracy)

    def on_validation_epoch_end(self):
        self.accuracies.append(self.accuracy.compute().item())

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=0.003)
        schedule = get_linear_schedule_with_warmup(optimizer, 16, 6 * 32)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


config = BertConfig(
    vocab_size=10,
    hidden_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=64,
)
model = Classifier(config)
train_loader = DataLoader(rows[:512], batch_size=16, shuffle=True, collate_fn=collate)
val_loader = DataLoader(rows[512:], batch_size=16, collate_fn=collate)
trainer = pl.Trainer(
    max_epochs=6,
    gradient_clip_val=1.0,
    num_sanity_val_steps=0,
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)
trainer.fit(model, train_loader, val_loader)
print(f"accuracy {model.accuracies[0]:.2f}, then {model.accuracies[-1]:.2f}")
